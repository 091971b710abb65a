// Ensembles of decision trees, of the kinds that make_model writes: branches by <= or <, sums, one score.
#include <cmath>

#include "reference.h"

namespace punctual {

namespace {

using Outputs = std::vector<DoubleTensor>;

struct Trees {
  std::vector<std::int64_t> features, yes, no;
  std::vector<bool> is_leaf;
  bool or_equal = false;  // all branches: x <= value, or x < value
  std::span<const float> thresholds;
  std::vector<double> leaves;      // by node
  std::vector<std::size_t> roots;  // the trees' first nodes; the nodes of a tree stand together, by number

  Trees(const ReferenceNode& node, const std::string& leaf)
      : features(node.Ints("nodes_featureids")),
        yes(node.Ints("nodes_truenodeids")),
        no(node.Ints("nodes_falsenodeids")),
        thresholds(node.Floats("nodes_values")),
        leaves(features.size()) {
    for (const std::string& mode : node.Find("nodes_modes")->strings()) {
      is_leaf.push_back(mode == "LEAF");
      or_equal = or_equal || mode == "BRANCH_LEQ";
    }
    const std::vector<std::int64_t> ids = node.Ints("nodes_nodeids");
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] == 0) roots.push_back(i);
    const std::vector<std::int64_t> of_tree = node.Ints((leaf + "_treeids").c_str());
    const std::vector<std::int64_t> of_node = node.Ints((leaf + "_nodeids").c_str());
    const std::span<const float> weights = node.Floats((leaf + "_weights").c_str());
    for (std::size_t i = 0; i < weights.size(); ++i)
      leaves[roots[static_cast<std::size_t>(of_tree[i])] + static_cast<std::size_t>(of_node[i])] =
          static_cast<double>(weights[i]);
  }

  double Sum(const double* x) const {
    double sum = 0;
    for (const std::size_t root : roots) {
      std::size_t at = root;
      while (!is_leaf[at]) {
        const double value = x[features[at]], threshold = static_cast<double>(thresholds[at]);
        at = root + static_cast<std::size_t>((or_equal ? value <= threshold : value < threshold) ? yes[at] : no[at]);
      }
      sum += leaves[at];
    }
    return sum;
  }
};

double Base(const ReferenceNode& node) {
  const std::span<const float> base = node.Floats("base_values");
  return base.empty() ? 0 : static_cast<double>(base[0]);
}

Outputs Regressor(const ReferenceNode& node) {
  const Trees trees(node, "target");
  DoubleTensor result({node[0].dims[0], 1});
  for (std::size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = Base(node) + trees.Sum(node[0].values.data() + static_cast<std::int64_t>(i) * node[0].dims[1]);
  return {std::move(result)};
}

// Two classes and one score, whose logistic function is the second's probability: label, probabilities.
Outputs Classifier(const ReferenceNode& node) {
  const Trees trees(node, "class");
  DoubleTensor labels({node[0].dims[0]}), probabilities({node[0].dims[0], 2});
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    const double score = trees.Sum(node[0].values.data() + static_cast<std::int64_t>(i) * node[0].dims[1]) + Base(node);
    labels.values[i] = score > 0 ? 1 : 0;
    probabilities.values[2 * i + 1] = 1 / (1 + std::exp(-score));
    probabilities.values[2 * i] = 1 / (1 + std::exp(score));
  }
  return {std::move(labels), std::move(probabilities)};
}

}  // namespace

const ReferenceOperators& TreeReference() {
  static const ReferenceOperators all = {
      {"TreeEnsembleRegressor", Regressor},
      {"TreeEnsembleClassifier", Classifier},
  };
  return all;
}

}  // namespace punctual
