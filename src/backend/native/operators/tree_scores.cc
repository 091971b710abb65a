#include "backend/native/operators/tree_scores.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

namespace punctual::native {

namespace {

bool GoesToTrue(const EnsembleNode& node, float x) {
  if (std::isnan(x)) return node.nan_is_true || node.mode == BranchMode::kNeq;
  switch (node.mode) {
    case BranchMode::kLeq: return x <= node.threshold;
    case BranchMode::kLt: return x < node.threshold;
    case BranchMode::kGte: return x >= node.threshold;
    case BranchMode::kGt: return x > node.threshold;
    case BranchMode::kEq: return x == node.threshold;
    case BranchMode::kNeq: return x != node.threshold;
    case BranchMode::kLeaf: break;
  }
  return false;
}

}  // namespace

TreeScores::TreeScores(const TreeEnsemble& ensemble, std::size_t features, TreeAggregate aggregate,
                       PlanBuilder& builder)
    : features_(features),
      aggregate_(aggregate),
      tree_count_(ensemble.trees.size()),
      base_values_(ensemble.base_values),
      nodes_(ensemble.nodes),
      weights_(ensemble.weights),
      order_(ensemble.trees),
      says_(ensemble.nodes.size(), 0) {
  base_values_.resize(ensemble.targets, 0);
  if (!FindSingleTargets(ensemble)) {
    std::stable_sort(order_.begin(), order_.end(), [](const auto& a, const auto& b) { return a.depth < b.depth; });
    for (std::size_t i = 0; i < nodes_.size(); ++i) says_[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i));
  }
  is_packed_ = Pack(ensemble, builder);
}

bool TreeScores::FindSingleTargets(const TreeEnsemble& ensemble) {
  const bool may_be_silent = aggregate_ == TreeAggregate::kSum || aggregate_ == TreeAggregate::kAverage;
  std::vector<std::size_t> target_of;
  for (const TreeEnsemble::Tree& tree : ensemble.trees) {
    std::optional<std::size_t> target;
    std::vector<std::uint32_t> open = {tree.root};
    while (!open.empty()) {
      const EnsembleNode& node = ensemble.nodes[open.back()];
      open.pop_back();
      if (node.mode != BranchMode::kLeaf) {
        open.insert(open.end(), {node.if_true, node.if_false});
        continue;
      }
      if (node.weight_count > 1 || (node.weight_count == 0 && !may_be_silent)) return false;
      if (node.weight_count == 0) continue;
      const std::size_t of_leaf = ensemble.weights[node.first_weight].target;
      if (target.value_or(of_leaf) != of_leaf) return false;
      target = of_leaf;
    }
    target_of.push_back(target.value_or(0));
  }
  std::vector<std::size_t> order(order_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(target_of[a], ensemble.trees[a].depth) < std::pair(target_of[b], ensemble.trees[b].depth);
  });
  segments_.resize(ensemble.targets);
  for (std::size_t i = 0; i < order.size(); ++i) {
    order_[i] = ensemble.trees[order[i]];
    Segment& segment = segments_[target_of[order[i]]];
    if (segment.end == 0) segment.begin = i;
    segment.end = i + 1;
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i].weight_count == 1) says_[i] = ensemble.weights[nodes_[i].first_weight].weight;
  return true;
}

bool TreeScores::Pack(const TreeEnsemble& ensemble, PlanBuilder& builder) {
  if (features_ > std::numeric_limits<std::uint16_t>::max()) return false;
  bool has_leq = false, has_lt = false;
  for (const EnsembleNode& node : ensemble.nodes) {
    if (node.mode == BranchMode::kEq || node.mode == BranchMode::kNeq) return false;
    has_leq = has_leq || node.mode == BranchMode::kLeq || node.mode == BranchMode::kGt;
    has_lt = has_lt || node.mode == BranchMode::kLt || node.mode == BranchMode::kGte;
  }
  if (has_leq && has_lt) return false;
  // Level by level, so that the nodes that every walk passes stand close together.
  std::vector<TreeNode> packed;
  std::vector<std::uint8_t> nan_goes_first;
  std::vector<std::uint32_t> roots;
  for (const TreeEnsemble::Tree& tree : order_) {
    roots.push_back(static_cast<std::uint32_t>(packed.size()));
    std::vector<std::uint32_t> queue = {tree.root};
    for (std::size_t i = 0; i < queue.size(); ++i) {
      const EnsembleNode& node = ensemble.nodes[queue[i]];
      TreeNode& to = packed.emplace_back();
      if (node.mode == BranchMode::kLeaf) {
        to = {says_[queue[i]], static_cast<std::uint16_t>(features_), -1};
        nan_goes_first.push_back(0);
        continue;
      }
      const std::size_t below = queue.size() - i;
      if (below > static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max())) return false;
      to = {node.threshold, static_cast<std::uint16_t>(node.feature), static_cast<std::int16_t>(below)};
      // x > t is what x <= t is not, but for NaN.
      const bool is_negated = node.mode == BranchMode::kGt || node.mode == BranchMode::kGte;
      nan_goes_first.push_back(node.nan_is_true != is_negated ? 1 : 0);
      queue.push_back(is_negated ? node.if_false : node.if_true);
      queue.push_back(is_negated ? node.if_true : node.if_false);
    }
  }
  roots.resize(PaddedTrees(roots.size()), static_cast<std::uint32_t>(packed.size() - 1));  // the last node is a leaf
  const auto kept_nodes = builder.KeepMany<TreeNode>(packed.size());
  const auto kept_nan = builder.KeepMany<std::uint8_t>(packed.size());
  const auto kept_roots = builder.KeepMany<std::uint32_t>(roots.size());
  const auto depths = builder.KeepMany<std::uint16_t>(roots.size() / kTreesAtOnce);
  if (!kept_nodes || !kept_nan || !kept_roots || !depths) return false;  // no room: the trees as they stand do as well
  std::copy(packed.begin(), packed.end(), kept_nodes->begin());
  std::copy(nan_goes_first.begin(), nan_goes_first.end(), kept_nan->begin());
  std::copy(roots.begin(), roots.end(), kept_roots->begin());
  for (std::size_t i = 0; i < order_.size(); ++i)
    (*depths)[i / kTreesAtOnce] = std::max((*depths)[i / kTreesAtOnce], static_cast<std::uint16_t>(order_[i].depth));
  packed_ = {kept_nodes->data(), kept_nan->data(), kept_roots->data(), depths->data(), order_.size(), has_lt};
  return true;
}

void TreeScores::WalkSlowly(const float* x, float* leaves) const {
  for (std::size_t i = 0; i < order_.size(); ++i) {
    std::uint32_t at = order_[i].root;
    while (nodes_[at].mode != BranchMode::kLeaf) {
      const EnsembleNode& node = nodes_[at];
      at = GoesToTrue(node, x[node.feature]) ? node.if_true : node.if_false;
    }
    leaves[i] = says_[at];
  }
}

void TreeScores::Aggregate(const float* leaves, float* scores) const {
  const std::size_t targets = base_values_.size();
  const bool sums = aggregate_ == TreeAggregate::kSum || aggregate_ == TreeAggregate::kAverage;
  const auto least_or_most = [this](float a, float b) {
    return aggregate_ == TreeAggregate::kMin ? std::min(a, b) : std::max(a, b);
  };
  if (!segments_.empty()) {
    for (std::size_t target = 0; target < targets; ++target) {
      const auto [begin, end] = segments_[target];
      if (sums) {
        scores[target] = SumInSixteens(leaves + begin, end - begin);
      } else {
        scores[target] = begin == end ? 0 : leaves[begin];
        for (std::size_t i = begin; i < end; ++i) scores[target] = least_or_most(scores[target], leaves[i]);
      }
    }
  } else {
    // Nobody spoke yet: NaN, which no weight is.
    std::fill_n(scores, targets, sums ? 0.0f : std::numeric_limits<float>::quiet_NaN());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const EnsembleNode& leaf = nodes_[std::bit_cast<std::uint32_t>(leaves[i])];
      for (std::uint32_t w = leaf.first_weight; w < leaf.first_weight + leaf.weight_count; ++w) {
        float& score = scores[weights_[w].target];
        const float weight = weights_[w].weight;
        score = sums ? score + weight : std::isnan(score) ? weight : least_or_most(score, weight);
      }
    }
    for (std::size_t target = 0; target < targets; ++target)
      if (std::isnan(scores[target]) && !sums) scores[target] = 0;
  }
  for (std::size_t target = 0; target < targets; ++target) {
    if (aggregate_ == TreeAggregate::kAverage) scores[target] /= static_cast<float>(tree_count_);
    scores[target] += base_values_[target];
  }
}

void TreeScores::Compute(const float* x, float* scratch, float* scores) const {
  float* const leaves = scratch;
  float* const features = scratch + PaddedTrees(order_.size());
  bool has_nan = false;
  for (std::size_t i = 0; i < features_; ++i) {
    features[i] = x[i];
    has_nan |= x[i] != x[i];
  }
  features[features_] = std::numeric_limits<float>::quiet_NaN();
  if (is_packed_)
    WalkTrees(packed_, features, has_nan, leaves);
  else
    WalkSlowly(features, leaves);
  Aggregate(leaves, scores);
}

}  // namespace punctual::native
