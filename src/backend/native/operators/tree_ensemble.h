// From the attributes of ai.onnx.ml's TreeEnsembleClassifier and TreeEnsembleRegressor to checked trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native {

enum class BranchMode : std::uint8_t { kLeq, kLt, kGte, kGt, kEq, kNeq, kLeaf };

struct LeafWeight {
  std::uint32_t target = 0;
  float weight = 0;
};

// A branch goes to `if_true` where x[feature] compares with the threshold as the mode says, or where it is NaN and
// `nan_is_true`; otherwise to `if_false`.
struct EnsembleNode {
  BranchMode mode = BranchMode::kLeaf;
  bool nan_is_true = false;
  std::uint32_t feature = 0;
  float threshold = 0;
  std::uint32_t if_true = 0, if_false = 0;           // in TreeEnsemble::nodes; of a leaf: itself
  std::uint32_t first_weight = 0, weight_count = 0;  // of a leaf, in TreeEnsemble::weights
};

// Every tree is one: each node but the root is the child of one node of its tree, and can be reached.
struct TreeEnsemble {
  struct Tree {
    std::uint32_t root = 0, depth = 0;  // depth: branches on the longest way to a leaf
  };
  std::vector<EnsembleNode> nodes;
  std::vector<LeafWeight> weights;
  std::vector<Tree> trees;  // in the file's order
  std::size_t targets = 1;
  std::vector<float> base_values;  // none, or one for each target
};

// Trees deeper than this are refused: a walk's time is bounded by it.
inline constexpr std::uint32_t kMaxTreeDepth = 1024;

// `prefix`: "target" or "class", before _treeids, _nodeids, _ids, _weights. The message says what is wrong:
// kInvalidArgument where the file contradicts itself or ONNX, kFailedPrecondition where it asks for what is not
// supported.
Result<TreeEnsemble> ReadTreeEnsemble(const Node& node, const std::string& prefix, std::size_t targets,
                                      std::size_t features);

}  // namespace punctual::native
