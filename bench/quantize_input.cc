// Writes a copy of an ONNX model that quantises its input first, as an int8 model does: a QuantizeLinear and a
// DequantizeLinear to 8 bits right behind it. The weights stay as they are.
//
// usage: quantize_input IN.onnx OUT.onnx INPUT SCALE
#include <onnx/onnx_pb.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

bool HasInput(const onnx::GraphProto& graph, const std::string& input) {
  for (const onnx::ValueInfoProto& value : graph.input())
    if (value.name() == input) return true;
  return false;
}

void AddNode(onnx::GraphProto& graph, const char* type, const std::string& from, const std::string& output) {
  onnx::NodeProto& node = *graph.add_node();
  node.set_op_type(type);
  for (const std::string& input : {from, std::string("input_scale"), std::string("input_zero_point")})
    node.add_input(input);
  node.add_output(output);
}

void Quantize(onnx::GraphProto& graph, const std::string& input, float scale) {
  const onnx::GraphProto before = graph;
  graph.clear_node();
  AddNode(graph, "QuantizeLinear", input, "input_codes");
  AddNode(graph, "DequantizeLinear", "input_codes", "input_of_codes");
  // Nodes stand in the order in which they compute.
  for (const onnx::NodeProto& node : before.node()) {
    onnx::NodeProto& copy = *graph.add_node();
    copy = node;
    for (std::string& name : *copy.mutable_input())
      if (name == input) name = "input_of_codes";
  }
  onnx::TensorProto& step = *graph.add_initializer();
  step.set_name("input_scale");
  step.set_data_type(onnx::TensorProto::FLOAT);
  step.add_float_data(scale);
  onnx::TensorProto& zero = *graph.add_initializer();
  zero.set_name("input_zero_point");
  zero.set_data_type(onnx::TensorProto::INT8);
  zero.add_int32_data(0);
}

}  // namespace

int main(int argc, char** argv) {
  const float scale = argc == 5 ? std::strtof(argv[4], nullptr) : 0;
  if (!(scale > 0)) {
    std::fprintf(stderr, "usage: quantize_input IN.onnx OUT.onnx INPUT SCALE\n");
    return 2;
  }
  onnx::ModelProto model;
  std::ifstream file(argv[1], std::ios::binary);
  if (!model.ParseFromIstream(&file) || !HasInput(model.graph(), argv[3])) {
    std::fprintf(stderr, "quantize_input: %s: no ONNX model with an input \"%s\"\n", argv[1], argv[3]);
    return 1;
  }
  Quantize(*model.mutable_graph(), argv[3], scale);
  std::ofstream out(argv[2], std::ios::binary);
  return model.SerializeToOstream(&out) && out.flush() ? 0 : 1;
}
