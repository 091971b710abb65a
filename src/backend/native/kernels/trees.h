// Walks through decision trees. Thread-safe: nothing is kept between calls. Nothing here allocates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace punctual::native {

// A node in eight bytes. Where x[feature] <= threshold (or <, for the whole ensemble) the walk goes on at the node
// `below` further on, otherwise at the one after that: children stand together. A leaf compares with the NaN behind the
// features, so that every comparison fails, and has `below` = -1: a walk that is at a leaf stays there, and can take as
// many steps as other trees need. The leaf's `threshold` is free to carry what the leaf says.
struct TreeNode {
  float threshold = 0;
  std::uint16_t feature = 0;
  std::int16_t below = -1;
};

// Trees that are walked through at once, since each step waits for the one before.
inline constexpr std::size_t kTreesAtOnce = 16;
constexpr std::size_t PaddedTrees(std::size_t trees) {
  return (trees + kTreesAtOnce - 1) / kTreesAtOnce * kTreesAtOnce;
}

struct PackedTrees {
  const TreeNode* nodes = nullptr;               // fewer than 2^31
  const std::uint8_t* nan_goes_first = nullptr;  // by node: whether NaN goes on as if the comparison held: 1, or 0
  const std::uint32_t* roots = nullptr;          // PaddedTrees(count); those beyond the count: any leaf
  const std::uint16_t* depths = nullptr;         // of each group of kTreesAtOnce: steps until all are at leaves
  std::size_t count = 0;                         // trees
  bool is_strict = false;                        // < instead of <=
};

// `x`: the features, and behind them a NaN. `has_nan`: one of the features may be NaN (a walk takes longer then).
// `leaves`: PaddedTrees(count) of room: for each tree the leaf's `threshold`.
void WalkTrees(const PackedTrees& trees, const float* x, bool has_nan, float* leaves);

// The sum of `count` numbers in an order that all targets have: 16 sums, of every 16th number each, beginning with 0;
// then those 8 apart are added, those 4, 2 and 1 apart.
float SumInSixteens(const float* numbers, std::size_t count);

}  // namespace punctual::native
