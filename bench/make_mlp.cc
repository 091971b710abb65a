// Writes a multi-layer perceptron with random weights as ONNX: make_mlp FILE PARTS WIDTH WIDTH...
// Input "x" [N, PARTS * first width], Relu between the layers, Softmax at the end, output "y" [N, last width].
// Each part of the input goes through the same layers, and "y" is the mean of what they give: more parts take more
// computing, and not more memory.
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

namespace {

void AddWeights(onnx::GraphProto& graph, const std::string& name, const std::vector<std::int64_t>& dims,
                std::mt19937& random) {
  std::size_t count = 1;
  onnx::TensorProto& tensor = *graph.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  for (const std::int64_t dimension : dims) {
    tensor.add_dims(dimension);
    count *= static_cast<std::size_t>(dimension);
  }
  const float scale = std::sqrt(6.0f / static_cast<float>(dims[0]));
  std::vector<float> values(count);
  for (float& value : values) value = scale * (static_cast<float>(random()) / 2147483648.0f - 1.0f);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
}

void AddNode(onnx::GraphProto& graph, const char* type, const std::vector<std::string>& inputs,
             const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(type);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
}

void AddReshape(onnx::GraphProto& graph, const std::string& input, const std::vector<std::int64_t>& dims,
                const std::string& output) {
  onnx::TensorProto& shape = *graph.add_initializer();
  shape.set_name(output + "_shape");
  shape.set_data_type(onnx::TensorProto::INT64);
  shape.add_dims(static_cast<std::int64_t>(dims.size()));
  for (const std::int64_t dimension : dims) shape.add_int64_data(dimension);
  AddNode(graph, "Reshape", {input, shape.name()}, output);
}

// "y" of the answers to each part.
void AddMean(onnx::GraphProto& graph, std::int64_t parts, std::int64_t width) {
  AddReshape(graph, "y_of_rows", {-1, parts, width}, "y_of_parts");
  AddNode(graph, "ReduceMean", {"y_of_parts"}, "y");
  onnx::NodeProto& mean = *graph.mutable_node(graph.node_size() - 1);
  onnx::AttributeProto& axes = *mean.add_attribute();
  axes.set_name("axes");
  axes.set_type(onnx::AttributeProto::INTS);
  axes.add_ints(1);
  onnx::AttributeProto& keep = *mean.add_attribute();
  keep.set_name("keepdims");
  keep.set_type(onnx::AttributeProto::INT);
  keep.set_i(0);
}

void AddValue(onnx::ValueInfoProto& value, const std::string& name, std::int64_t width) {
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  tensor.mutable_shape()->add_dim()->set_dim_param("N");
  tensor.mutable_shape()->add_dim()->set_dim_value(width);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::int64_t> widths;
  for (int i = 3; i < argc; ++i) widths.push_back(std::strtol(argv[i], nullptr, 10));
  const std::int64_t parts = widths.size() < 2 ? 0 : std::strtol(argv[2], nullptr, 10);
  if (parts < 1) {
    std::fprintf(stderr, "usage: make_mlp FILE PARTS WIDTH WIDTH...\n");
    return 2;
  }
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(13);
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.set_name("mlp");
  AddValue(*graph.add_input(), "x", parts * widths.front());
  AddValue(*graph.add_output(), "y", widths.back());
  std::mt19937 random(7);
  std::string at = "x";
  if (parts > 1) AddReshape(graph, "x", {-1, widths.front()}, at = "rows");
  for (std::size_t layer = 0; layer + 1 < widths.size(); ++layer) {
    const std::string n = std::to_string(layer);
    AddWeights(graph, "w" + n, {widths[layer], widths[layer + 1]}, random);
    AddWeights(graph, "b" + n, {widths[layer + 1]}, random);
    AddNode(graph, "Gemm", {at, "w" + n, "b" + n}, "h" + n);
    at = "h" + n;
    if (layer + 2 < widths.size()) {
      AddNode(graph, "Relu", {at}, "r" + n);
      at = "r" + n;
    }
  }
  AddNode(graph, "Softmax", {at}, parts > 1 ? "y_of_rows" : "y");
  if (parts > 1) AddMean(graph, parts, widths.back());
  std::ofstream file(argv[1], std::ios::binary);
  return model.SerializeToOstream(&file) && file.flush() ? 0 : 1;
}
