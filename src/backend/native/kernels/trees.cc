#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/trees.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include <hwy/highway.h>

#include "backend/native/kernels/trees.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// One node after the other, eight trees in turn: measured, gathering the nodes and features of sixteen trees at once
// (AVX-512) takes a third longer.
template <bool kIsStrict, bool kHasNan>
HWY_INLINE void WalkGroup(const PackedTrees& trees, std::size_t group, const float* HWY_RESTRICT x,
                          float* HWY_RESTRICT leaves) {
  const TreeNode* const HWY_RESTRICT nodes = trees.nodes;
  const std::uint8_t* const HWY_RESTRICT nan_goes_first = trees.nan_goes_first;
  const std::uint32_t* const HWY_RESTRICT roots = trees.roots + group * kTreesAtOnce;
  const std::size_t depth = trees.depths[group];
  constexpr std::size_t kAtOnce = 8;  // as many as stay in registers
  for (std::size_t half = 0; half < kTreesAtOnce; half += kAtOnce) {
    std::uint64_t at[kAtOnce];
    for (std::size_t i = 0; i < kAtOnce; ++i) at[i] = roots[half + i];
    for (std::size_t step = 0; step < depth; ++step) {
      HWY_UNROLL(8)
      for (std::size_t i = 0; i < kAtOnce; ++i) {
        const TreeNode node = nodes[at[i]];
        const float of_x = x[node.feature];
        bool fails = kIsStrict ? !(of_x < node.threshold) : !(of_x <= node.threshold);
        if (kHasNan) fails = fails & !((of_x != of_x) & (nan_goes_first[at[i]] != 0));
        at[i] += static_cast<std::uint64_t>(std::int64_t{node.below}) + fails;
      }
    }
    for (std::size_t i = 0; i < kAtOnce; ++i) leaves[half + i] = nodes[at[i]].threshold;
  }
}

template <bool kIsStrict, bool kHasNan>
HWY_INLINE void WalkGroups(const PackedTrees& trees, const float* x, float* leaves) {
  for (std::size_t group = 0; group * kTreesAtOnce < trees.count; ++group)
    WalkGroup<kIsStrict, kHasNan>(trees, group, x, leaves + group * kTreesAtOnce);
}

void Walk(const PackedTrees& trees, const float* x, bool has_nan, float* leaves) {
  if (trees.is_strict)
    has_nan ? WalkGroups<true, true>(trees, x, leaves) : WalkGroups<true, false>(trees, x, leaves);
  else
    has_nan ? WalkGroups<false, true>(trees, x, leaves) : WalkGroups<false, false>(trees, x, leaves);
}

float Sum(const float* numbers, std::size_t count) {
  const hn::CappedTag<float, 16> d;
  constexpr std::size_t kLanes = hn::MaxLanes(d), kVectors = 16 / kLanes;
  hn::Vec<decltype(d)> sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::Add(sums[v], hn::LoadU(d, numbers + i + v * kLanes));
  HWY_ALIGN float all[16];
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sums[v], d, all + v * kLanes);
  for (std::size_t k = 0; i + k < count; ++k) all[k] += numbers[i + k];
  for (std::size_t apart = 8; apart > 0; apart /= 2)
    for (std::size_t k = 0; k < apart; ++k) all[k] += all[k + apart];
  return all[0];
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {

HWY_EXPORT(Walk);
HWY_EXPORT(Sum);

}  // namespace

void WalkTrees(const PackedTrees& trees, const float* x, bool has_nan, float* leaves) {
  HWY_DYNAMIC_DISPATCH(Walk)(trees, x, has_nan, leaves);
}

float SumInSixteens(const float* numbers, std::size_t count) { return HWY_DYNAMIC_DISPATCH(Sum)(numbers, count); }

}  // namespace punctual::native
#endif  // HWY_ONCE
