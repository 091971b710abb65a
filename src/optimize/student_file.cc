#include "optimize/student_file.h"

#include <cstdint>
#include <vector>

#include "model/onnx_graph.h"

namespace punctual::optimize {
namespace {

constexpr std::int64_t kOpset = 17, kMlOpset = 3;

OnnxDims WithoutBatch(const Shape& shape) { return {shape.begin() + 1, shape.end()}; }

// A graph that begins with [N, what the student sees] and ends with the model's output.
class StudentGraph {
 public:
  static Result<StudentGraph> Begin(const StudentView& view, const TensorSpec& output, std::size_t numbers,
                                    bool trees) {
    const auto count = ElementCount(output.shape);
    if (output.dtype != DType::kFloat32 || output.shape.empty() || output.shape[0] != 1 || count.has_error() ||
        *count != numbers)
      return Fail(Code::kInvalidArgument, "student: the model's output \"" + output.name + "\" is " +
                                              std::string(DTypeName(output.dtype)) + " " + ShapeText(output.shape) +
                                              "; it must be FP32, begin with a batch of 1 and have " +
                                              std::to_string(numbers) + " numbers");
    StudentGraph begun(output, trees);
    OnnxGraph& graph = begun.graph_;
    begun.at_ = graph.Input(view.input.name, WithoutBatch(view.input.shape));
    if (view.input.shape.size() != 2) begun.at_ = graph.Add("Flatten", {begun.at_}, {{"axis", std::int64_t{1}}});
    if (!view.seen.empty()) {
      const std::vector<std::int64_t> seen(view.seen.begin(), view.seen.end());
      begun.at_ = graph.Add("Gather", {begun.at_, graph.Integers(seen)}, {{"axis", std::int64_t{1}}});
    }
    return begun;
  }

  OnnxGraph& graph() { return graph_; }
  const std::string& inputs() const { return at_; }

  // `type` of `inputs` gives [N, numbers], which are the answer.
  std::string Finish(const std::string& type, const std::vector<std::string>& inputs,
                     const std::vector<OnnxAttribute>& attributes, const std::string& domain = {}) {
    if (output_.shape.size() == 2) {
      graph_.Add(type, inputs, attributes, {output_.name}, domain);
    } else {
      std::vector<std::int64_t> shape(output_.shape.begin(), output_.shape.end());
      shape[0] = -1;
      const std::string scores = graph_.Add(type, inputs, attributes, {}, domain);
      graph_.Add("Reshape", {scores, graph_.Integers(shape)}, {}, {output_.name});
    }
    graph_.Output(output_.name, WithoutBatch(output_.shape));
    return graph_.Bytes();
  }

 private:
  StudentGraph(const TensorSpec& output, bool trees)
      : graph_("student", kOpset, trees ? kMlOpset : 0), output_(output) {}

  OnnxGraph graph_;
  const TensorSpec output_;
  std::string at_;
};

// The lists of TreeEnsembleRegressor, an entry a node or a leaf.
struct EnsembleLists {
  OnnxDims tree_ids, node_ids, features, left, right, nan_goes_left, leaf_trees, leaf_nodes, leaf_numbers;
  std::vector<float> values, leaves;
  std::vector<std::string> modes;

  void Add(const Tree& tree, std::int64_t id) {
    for (std::size_t i = 0; i < tree.nodes.size(); ++i) {
      const TreeNode& node = tree.nodes[i];
      tree_ids.push_back(id);
      node_ids.push_back(static_cast<std::int64_t>(i));
      modes.push_back(node.is_leaf ? "LEAF" : "BRANCH_LT");
      features.push_back(node.is_leaf ? 0 : node.feature);
      values.push_back(node.is_leaf ? 0 : node.value);
      left.push_back(node.is_leaf ? 0 : node.left);
      right.push_back(node.is_leaf ? 0 : node.right);
      nan_goes_left.push_back(!node.is_leaf && node.nan_goes_left ? 1 : 0);
      if (!node.is_leaf) continue;
      leaf_trees.push_back(id);
      leaf_nodes.push_back(static_cast<std::int64_t>(i));
      leaf_numbers.push_back(static_cast<std::int64_t>(tree.number));
      leaves.push_back(node.value);
    }
  }

  std::vector<OnnxAttribute> Attributes() const {
    return {{"nodes_treeids", tree_ids},    {"nodes_nodeids", node_ids},
            {"nodes_featureids", features}, {"nodes_values", values},
            {"nodes_modes", modes},         {"nodes_truenodeids", left},
            {"nodes_falsenodeids", right},  {"nodes_missing_value_tracks_true", nan_goes_left},
            {"target_treeids", leaf_trees}, {"target_nodeids", leaf_nodes},
            {"target_ids", leaf_numbers},   {"target_weights", leaves}};
  }
};

}  // namespace

Result<std::string> WriteForest(const Forest& forest, const StudentView& view, const TensorSpec& output) {
  PUNCTUAL_ASSIGN(StudentGraph student, StudentGraph::Begin(view, output, forest.base.size(), true));
  EnsembleLists lists;
  for (std::size_t i = 0; i < forest.trees.size(); ++i) lists.Add(forest.trees[i], static_cast<std::int64_t>(i));
  std::vector<OnnxAttribute> attributes = lists.Attributes();
  attributes.push_back({"n_targets", static_cast<std::int64_t>(forest.base.size())});
  attributes.push_back({"base_values", forest.base});
  const bool shares = forest.meaning == Meaning::kProbabilities;
  attributes.push_back({"post_transform", std::string(shares ? "SOFTMAX" : "NONE")});
  return student.Finish("TreeEnsembleRegressor", {student.inputs()}, attributes, "ai.onnx.ml");
}

Result<std::string> WriteMlp(const Mlp& mlp, const StudentView& view, const TensorSpec& output) {
  PUNCTUAL_ASSIGN(StudentGraph student, StudentGraph::Begin(view, output, mlp.layers.back().outputs, false));
  OnnxGraph& graph = student.graph();
  std::string at = student.inputs();
  for (std::size_t i = 0; i < mlp.layers.size(); ++i) {
    const DenseLayer& layer = mlp.layers[i];
    const auto from = static_cast<std::int64_t>(layer.inputs), to = static_cast<std::int64_t>(layer.outputs);
    const std::vector<std::string> inputs = {at, graph.Floats({from, to}, layer.weights),
                                             graph.Floats({to}, layer.bias)};
    const bool is_last = i + 1 == mlp.layers.size();
    if (is_last && mlp.meaning == Meaning::kNumbers) return student.Finish("Gemm", inputs, {});
    at = graph.Add("Gemm", inputs);
    if (!is_last) at = graph.Add("Relu", {at});
  }
  return student.Finish("Softmax", {at}, {{"axis", std::int64_t{1}}});
}

}  // namespace punctual::optimize
