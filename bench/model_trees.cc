#include "model_kinds.h"
#include "support/random_onnx_graph.h"

namespace punctual {

namespace {

constexpr std::int64_t kColumns = 40;

// The attributes that regressors and classifiers share; `leaf`: "target" or "class". Nodes stand level by level.
std::vector<OnnxAttribute> Forest(RandomOnnxGraph& graph, std::int64_t trees, std::int64_t depth,
                                  const std::string& mode, const std::string& leaf) {
  OnnxDims tree_ids, ids, features, yes, no, missing, leaf_trees, leaf_nodes, leaf_ids;
  std::vector<float> values, weights;
  std::vector<std::string> modes;
  const std::int64_t inner = (std::int64_t{1} << depth) - 1;
  for (std::int64_t tree = 0; tree < trees; ++tree)
    for (std::int64_t id = 0; id < 2 * inner + 1; ++id) {
      const bool is_leaf = id >= inner;
      tree_ids.push_back(tree);
      ids.push_back(id);
      features.push_back(is_leaf ? 0 : graph.Below(kColumns));
      values.push_back(is_leaf ? 0.0f : graph.Uniform());
      modes.push_back(is_leaf ? "LEAF" : mode);
      yes.push_back(is_leaf ? 0 : 2 * id + 1);
      no.push_back(is_leaf ? 0 : 2 * id + 2);
      missing.push_back(0);
      if (!is_leaf) continue;
      leaf_trees.push_back(tree);
      leaf_nodes.push_back(id);
      leaf_ids.push_back(0);
      weights.push_back(0.1f * graph.Uniform());
    }
  return {{"nodes_treeids", tree_ids},     {"nodes_nodeids", ids},
          {"nodes_featureids", features},  {"nodes_values", values},
          {"nodes_modes", modes},          {"nodes_truenodeids", yes},
          {"nodes_falsenodeids", no},      {"nodes_missing_value_tracks_true", missing},
          {leaf + "_treeids", leaf_trees}, {leaf + "_nodeids", leaf_nodes},
          {leaf + "_ids", leaf_ids},       {leaf + "_weights", weights}};
}

}  // namespace

OnnxGraph MakeTreeRegressor(std::int64_t trees, std::int64_t depth) {
  RandomOnnxGraph graph("trees", 17, 3);
  const std::string at = graph.Input("x", {kColumns});
  std::vector<OnnxAttribute> attributes = Forest(graph, trees, depth, "BRANCH_LT", "target");
  attributes.push_back({"n_targets", std::int64_t{1}});
  attributes.push_back({"base_values", std::vector<float>{0.5f}});
  graph.Add("TreeEnsembleRegressor", {at}, attributes, {"y"}, "ai.onnx.ml");
  graph.Output("y", {1});
  return graph;
}

OnnxGraph MakeTreeClassifier(std::int64_t trees, std::int64_t depth) {
  RandomOnnxGraph graph("trees", 17, 3);
  const std::string at = graph.Input("x", {kColumns});
  std::vector<OnnxAttribute> attributes = Forest(graph, trees, depth, "BRANCH_LEQ", "class");
  attributes.push_back({"classlabels_int64s", OnnxDims{0, 1}});
  attributes.push_back({"post_transform", std::string("LOGISTIC")});
  graph.Add("TreeEnsembleClassifier", {at}, attributes, {"label", "probabilities"}, "ai.onnx.ml");
  graph.Output("label", {}, onnx::TensorProto::INT64);
  graph.Output("probabilities", {2});
  return graph;
}

}  // namespace punctual
