#include "backend/native/operators/tree_ensemble.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>

namespace punctual::native {

namespace {

Error Wrong(const std::string& what) { return Fail(Code::kInvalidArgument, what); }

std::span<const std::int64_t> IntsOf(const Node& node, const std::string& name) {
  const auto* const found = node.Ints(name);
  return found == nullptr ? std::span<const std::int64_t>() : *found;
}

// Floats of an attribute, or of its tensor NAME_as_tensor if that is there.
Result<std::span<const float>> FloatsOf(const Node& node, const std::string& name) {
  if (const Constant* const tensor = node.Tensor(name + "_as_tensor"); tensor != nullptr && tensor->count() > 0) {
    if (tensor->type() != ElementType::kFloat32)
      return Fail(Code::kFailedPrecondition, name + "_as_tensor of type " + std::string(NameOf(tensor->type())) +
                                                 " is not supported: export the model with float");
    return tensor->values<float>();
  }
  const auto* const found = node.Floats(name);
  return found == nullptr ? std::span<const float>() : std::span<const float>(*found);
}

Result<BranchMode> ModeOf(const std::string& name) {
  constexpr std::pair<std::string_view, BranchMode> kModes[] = {
      {"BRANCH_LEQ", BranchMode::kLeq}, {"BRANCH_LT", BranchMode::kLt}, {"BRANCH_GTE", BranchMode::kGte},
      {"BRANCH_GT", BranchMode::kGt},   {"BRANCH_EQ", BranchMode::kEq}, {"BRANCH_NEQ", BranchMode::kNeq},
      {"LEAF", BranchMode::kLeaf}};
  for (const auto& [known, mode] : kModes)
    if (known == name) return mode;
  return Wrong("nodes_modes has \"" + name + "\", which is no mode");
}

using NodeKey = std::pair<std::int64_t, std::int64_t>;  // tree, node: as the file numbers them

class Reader {
 public:
  Reader(const Node& node, std::size_t targets, std::size_t features) : node_(node), features_(features) {
    ensemble_.targets = targets;
  }

  Result<TreeEnsemble> Read(const std::string& prefix) {
    PUNCTUAL_TRY(ReadNodes());
    PUNCTUAL_TRY(ReadChildren());
    PUNCTUAL_TRY(FindTrees());
    PUNCTUAL_TRY(ReadWeights(prefix));
    PUNCTUAL_ASSIGN(const auto base_values, FloatsOf(node_, "base_values"));
    for (const float value : base_values)
      if (!std::isfinite(value)) return Wrong("base_values has a number that is not finite");
    ensemble_.base_values.assign(base_values.begin(), base_values.end());
    return std::move(ensemble_);
  }

 private:
  Result<void> ReadNodes() {
    tree_ids_ = IntsOf(node_, "nodes_treeids");
    node_ids_ = IntsOf(node_, "nodes_nodeids");
    const auto features = IntsOf(node_, "nodes_featureids"), missing = IntsOf(node_, "nodes_missing_value_tracks_true");
    const auto* const modes = node_.Strings("nodes_modes");
    PUNCTUAL_ASSIGN(const auto thresholds, FloatsOf(node_, "nodes_values"));
    const std::size_t count = tree_ids_.size();
    if (count == 0) return Wrong("has no nodes");
    if (count >= std::size_t{1} << 31) return Wrong("has more than 2^31 nodes");
    if (node_ids_.size() != count || features.size() != count || thresholds.size() != count || modes == nullptr ||
        modes->size() != count || (!missing.empty() && missing.size() != count))
      return Wrong("its attributes nodes_* have not as many entries each");
    for (std::size_t i = 0; i < count; ++i) {
      EnsembleNode& node = ensemble_.nodes.emplace_back();
      PUNCTUAL_ASSIGN(node.mode, ModeOf((*modes)[i]));
      if (!number_of_.emplace(NodeKey(tree_ids_[i], node_ids_[i]), static_cast<std::uint32_t>(i)).second)
        return Wrong(Describe(i) + " is there twice");
      node.if_true = node.if_false = static_cast<std::uint32_t>(i);
      if (node.mode == BranchMode::kLeaf) continue;
      if (features[i] < 0 || static_cast<std::size_t>(features[i]) >= features_)
        return Wrong(Describe(i) + " asks for feature " + std::to_string(features[i]) + " of " +
                     std::to_string(features_));
      if (std::isnan(thresholds[i])) return Wrong(Describe(i) + " compares with NaN");
      node.feature = static_cast<std::uint32_t>(features[i]);
      node.threshold = thresholds[i];
      node.nan_is_true = !missing.empty() && missing[i] != 0;
    }
    return {};
  }

  Result<void> ReadChildren() {
    const auto if_true = IntsOf(node_, "nodes_truenodeids"), if_false = IntsOf(node_, "nodes_falsenodeids");
    if (if_true.size() != tree_ids_.size() || if_false.size() != tree_ids_.size())
      return Wrong("its attributes nodes_* have not as many entries each");
    has_parent_.assign(tree_ids_.size(), false);
    for (std::size_t i = 0; i < tree_ids_.size(); ++i) {
      if (ensemble_.nodes[i].mode == BranchMode::kLeaf) continue;
      PUNCTUAL_ASSIGN(ensemble_.nodes[i].if_true, Child(i, if_true[i]));
      PUNCTUAL_ASSIGN(ensemble_.nodes[i].if_false, Child(i, if_false[i]));
    }
    return {};
  }

  Result<std::uint32_t> Child(std::size_t parent, std::int64_t id) {
    const auto found = number_of_.find(NodeKey(tree_ids_[parent], id));
    if (found == number_of_.end())
      return Wrong(Describe(parent) + " has child " + std::to_string(id) + ", which is not there");
    if (has_parent_[found->second]) return Wrong(Describe(found->second) + " is the child of two nodes");
    has_parent_[found->second] = true;
    return found->second;
  }

  // Since no node has two parents, what is reached from the roots is trees, and what is not goes in circles.
  Result<void> FindTrees() {
    std::map<std::int64_t, std::size_t> root_of;
    std::size_t reached = 0;
    for (std::size_t i = 0; i < tree_ids_.size(); ++i) {
      if (has_parent_[i]) continue;
      if (!root_of.emplace(tree_ids_[i], i).second)
        return Wrong("tree " + std::to_string(tree_ids_[i]) + " has two roots, nodes " +
                     std::to_string(node_ids_[root_of[tree_ids_[i]]]) + " and " + std::to_string(node_ids_[i]));
      TreeEnsemble::Tree& tree = ensemble_.trees.emplace_back();
      tree.root = static_cast<std::uint32_t>(i);
      std::vector<std::uint32_t> level = {tree.root};
      for (;;) {
        reached += level.size();
        std::vector<std::uint32_t> next;
        for (const std::uint32_t number : level) {
          const EnsembleNode& node = ensemble_.nodes[number];
          if (node.mode != BranchMode::kLeaf) next.insert(next.end(), {node.if_true, node.if_false});
        }
        if (next.empty()) break;
        if (++tree.depth > kMaxTreeDepth)
          return Wrong("tree " + std::to_string(tree_ids_[i]) + " is deeper than " + std::to_string(kMaxTreeDepth));
        level = std::move(next);
      }
    }
    if (reached != tree_ids_.size()) return Wrong("has nodes that go in a circle");
    return {};
  }

  Result<void> ReadWeights(const std::string& prefix) {
    const auto trees = IntsOf(node_, prefix + "_treeids"), nodes = IntsOf(node_, prefix + "_nodeids"),
               targets = IntsOf(node_, prefix + "_ids");
    PUNCTUAL_ASSIGN(const auto weights, FloatsOf(node_, prefix + "_weights"));
    if (nodes.size() != trees.size() || targets.size() != trees.size() || weights.size() != trees.size())
      return Wrong("its attributes " + prefix + "_* have not as many entries each");
    std::vector<std::pair<std::uint32_t, LeafWeight>> by_leaf;
    for (std::size_t i = 0; i < trees.size(); ++i) {
      const auto found = number_of_.find(NodeKey(trees[i], nodes[i]));
      if (found == number_of_.end() || ensemble_.nodes[found->second].mode != BranchMode::kLeaf)
        return Wrong(prefix + "_weights is for node " + std::to_string(nodes[i]) + " of tree " +
                     std::to_string(trees[i]) + ", which is no leaf");
      if (targets[i] < 0 || static_cast<std::size_t>(targets[i]) >= ensemble_.targets)
        return Wrong(prefix + "_ids has " + std::to_string(targets[i]) + " of " + std::to_string(ensemble_.targets));
      if (!std::isfinite(weights[i])) return Wrong(prefix + "_weights has a number that is not finite");
      by_leaf.push_back({found->second, {static_cast<std::uint32_t>(targets[i]), weights[i]}});
    }
    std::stable_sort(by_leaf.begin(), by_leaf.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [leaf, weight] : by_leaf) {
      EnsembleNode& node = ensemble_.nodes[leaf];
      if (node.weight_count++ == 0) node.first_weight = static_cast<std::uint32_t>(ensemble_.weights.size());
      ensemble_.weights.push_back(weight);
    }
    return {};
  }

  std::string Describe(std::size_t i) const {
    return "node " + std::to_string(node_ids_[i]) + " of tree " + std::to_string(tree_ids_[i]);
  }

  const Node& node_;
  const std::size_t features_;
  TreeEnsemble ensemble_;
  std::span<const std::int64_t> tree_ids_, node_ids_;
  std::map<NodeKey, std::uint32_t> number_of_;
  std::vector<bool> has_parent_;
};

}  // namespace

Result<TreeEnsemble> ReadTreeEnsemble(const Node& node, const std::string& prefix, std::size_t targets,
                                      std::size_t features) {
  return Reader(node, targets, features).Read(prefix);
}

}  // namespace punctual::native
