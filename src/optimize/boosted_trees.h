// Gradient-boosted trees that learn what a model answers, trained by XGBoost on one thread.
//
// Each round adds a tree for each number of an answer. Probabilities are learnt by the gradient of the cross-entropy to
// the model's own probabilities, p - q, and the diagonal 2 p (1 - p) that XGBoost's softmax takes for second
// derivative; other numbers by squared error, in units of their deviation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "optimize/training_set.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct BoostedTreesOptions {
  int depth = 4;     // branches on the way to a leaf at most: 1 to 16
  int rounds = 400;  // at most: 1 to 10'000
  double learning_rate = 0.1;
  double least_weight = 5;  // min_child_weight: what second derivatives must sum to in a leaf
  int patience = 40;        // rounds without gain on the watched set, after which training stops
  std::uint64_t seed = 1;
};

// One tree. A branch goes to `left` where x[feature] < threshold, or where it is missing (NaN) and `nan_goes_left`.
struct TreeNode {
  bool is_leaf = true;
  bool nan_goes_left = false;
  std::uint32_t feature = 0;
  std::uint32_t left = 0, right = 0;  // in Tree::nodes
  float value = 0;                    // the threshold, or what the leaf says
};
struct Tree {
  std::vector<TreeNode> nodes;  // the root first
  std::size_t number = 0;       // of an answer, to which its leaf is added
};

// Trees as they are written to a file: scores are `base` and the sum of the leaves; Meaning::kProbabilities takes the
// softmax of scores. A value.
struct Forest {
  std::size_t inputs = 0;
  Meaning meaning = Meaning::kNumbers;
  std::vector<float> base;
  std::vector<Tree> trees;
};

// Trained trees, still in XGBoost's hands. Movable; not thread-safe.
class BoostedTrees {
 public:
  // Trains on `fit`, and watches `search` to see when more rounds do not help. The same seed gives the same trees.
  // kInvalidArgument: an option out of range; those of CheckTrainingSet; kInternal: XGBoost's own words.
  static Result<BoostedTrees> Train(const TrainingSet& fit, const TrainingSet& search, Meaning meaning,
                                    const BoostedTreesOptions& options);
  ~BoostedTrees();
  BoostedTrees(BoostedTrees&&) noexcept;
  BoostedTrees& operator=(BoostedTrees&&) noexcept;

  // Of which the loss on `search` was least.
  int best_rounds() const { return best_rounds_; }
  // What XGBoost itself answers with the first `rounds` rounds. REQUIRES: 1 <= rounds <= best_rounds().
  Result<Answers> Predict(const Rows& rows, int rounds) const;
  Result<Forest> Take(int rounds) const;

 private:
  struct Handle;
  BoostedTrees(std::unique_ptr<Handle> handle, std::size_t inputs, Meaning meaning, std::vector<float> base,
               std::vector<float> scale);

  std::unique_ptr<Handle> handle_;
  std::size_t inputs_;
  Meaning meaning_;
  std::vector<float> base_;   // a number each
  std::vector<float> scale_;  // of numbers: what leaves are multiplied with
  int best_rounds_ = 0;
};

}  // namespace punctual::optimize
