// What an ensemble of trees says of one row of features: a score for each target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/native/kernels/trees.h"
#include "backend/native/operators/tree_ensemble.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

enum class TreeAggregate : std::uint8_t { kSum, kAverage, kMin, kMax };

// Immutable. The order of sums is the same on every machine and whichever way trees are walked: trees in the order of
// their targets (where each tree has one), then their depths, then of the file; where every leaf has at most one
// weight, and a tree's leaves one target, a target's sum is SumInSixteens of its trees' weights, otherwise one weight
// after the other. Base values are added last.
class TreeScores {
 public:
  // `builder` keeps what the walks read.
  TreeScores(const TreeEnsemble& ensemble, std::size_t features, TreeAggregate aggregate, PlanBuilder& builder);

  // Floats that Compute works in.
  std::size_t scratch_count() const { return features_ + 1 + PaddedTrees(order_.size()); }
  // `x`: the features; `scores`: the targets. A target that no tree speaks of has its base value, or 0.
  void Compute(const float* x, float* scratch, float* scores) const;

 private:
  bool FindSingleTargets(const TreeEnsemble& ensemble);
  bool Pack(const TreeEnsemble& ensemble, PlanBuilder& builder);
  void WalkSlowly(const float* x, float* leaves) const;
  void Aggregate(const float* leaves, float* scores) const;

  // A run of trees, all of one target.
  struct Segment {
    std::size_t begin = 0, end = 0;
  };

  std::size_t features_;
  TreeAggregate aggregate_;
  std::size_t tree_count_;
  std::vector<float> base_values_;
  std::vector<EnsembleNode> nodes_;
  std::vector<LeafWeight> weights_;
  std::vector<TreeEnsemble::Tree> order_;  // the trees in the order of sums
  std::vector<Segment> segments_;  // by target, if each tree has one; otherwise leaves say where their weights are
  std::vector<float> says_;        // by node, of leaves: what the walk brings back
  bool is_packed_ = false;         // without: compared in too many ways, or too wide for eight bytes a node
  PackedTrees packed_;
};

}  // namespace punctual::native
