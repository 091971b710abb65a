// Writes ONNX models, node by node. Header only, so that nobody links ONNX who does not write: includers link
// onnx_proto. Not thread-safe.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <variant>
#include <vector>

namespace punctual {

using OnnxDims = std::vector<std::int64_t>;

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<float>,
               std::vector<std::string>>
      value;
};

class OnnxGraph {
 public:
  // With `opset` of ONNX's own operators, and of ai.onnx.ml where `ml_opset` is not 0.
  explicit OnnxGraph(const std::string& name, std::int64_t opset = 17, std::int64_t ml_opset = 0) {
    model_.set_ir_version(8);
    model_.add_opset_import()->set_version(opset);
    if (ml_opset != 0) {
      onnx::OperatorSetIdProto& ml = *model_.add_opset_import();
      ml.set_domain("ai.onnx.ml");
      ml.set_version(ml_opset);
    }
    graph().set_name(name);
  }

  onnx::GraphProto& graph() { return *model_.mutable_graph(); }
  const onnx::GraphProto& graph() const { return model_.graph(); }

  // A float input / an output [N, dims...].
  std::string Input(const std::string& name, const OnnxDims& dims) {
    Describe(*graph().add_input(), name, onnx::TensorProto::FLOAT, dims);
    return name;
  }
  void Output(const std::string& name, const OnnxDims& dims,
              onnx::TensorProto::DataType type = onnx::TensorProto::FLOAT) {
    Describe(*graph().add_output(), name, type, dims);
  }

  // A node; its outputs are called `outputs`, or, if there are none, what it returns: the first output's name.
  std::string Add(const std::string& type, const std::vector<std::string>& inputs,
                  const std::vector<OnnxAttribute>& attributes = {}, std::vector<std::string> outputs = {},
                  const std::string& domain = {}) {
    if (outputs.empty()) outputs.push_back(type + "_" + std::to_string(graph().node_size()));
    onnx::NodeProto& node = *graph().add_node();
    node.set_op_type(type);
    node.set_domain(domain);
    node.set_name(type + "_" + std::to_string(graph().node_size() - 1));
    for (const std::string& input : inputs) node.add_input(input);
    for (const std::string& output : outputs) node.add_output(output);
    for (const OnnxAttribute& attribute : attributes) SetAttribute(*node.add_attribute(), attribute);
    for (const std::string& output : outputs)
      if (!output.empty()) return output;
    return {};
  }

  template <class T>
  std::string Constant(onnx::TensorProto::DataType type, const OnnxDims& dims, const std::vector<T>& values) {
    onnx::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name("constant_" + std::to_string(graph().initializer_size()));
    tensor.set_data_type(type);
    for (const std::int64_t dimension : dims) tensor.add_dims(dimension);
    tensor.set_raw_data(values.data(), values.size() * sizeof(T));
    return tensor.name();
  }
  std::string Floats(const OnnxDims& dims, const std::vector<float>& values) {
    return Constant(onnx::TensorProto::FLOAT, dims, values);
  }
  std::string Scalar(float value) { return Floats({}, {value}); }
  std::string Integers(const std::vector<std::int64_t>& values) {
    return Constant(onnx::TensorProto::INT64, {static_cast<std::int64_t>(values.size())}, values);
  }
  std::string Integer(std::int64_t value) {
    return Constant(onnx::TensorProto::INT64, {}, std::vector<std::int64_t>{value});
  }

  std::string Bytes() const { return model_.SerializeAsString(); }
  bool Write(const char* path) const {
    std::ofstream file(path, std::ios::binary);
    return model_.SerializeToOstream(&file) && file.flush();
  }

 private:
  static void Describe(onnx::ValueInfoProto& value, const std::string& name, onnx::TensorProto::DataType type,
                       const OnnxDims& dims) {
    value.set_name(name);
    auto& tensor = *value.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape()->add_dim()->set_dim_param("N");
    for (const std::int64_t dimension : dims) tensor.mutable_shape()->add_dim()->set_dim_value(dimension);
  }

  static void SetAttribute(onnx::AttributeProto& proto, const OnnxAttribute& attribute) {
    proto.set_name(attribute.name);
    struct Setter {
      onnx::AttributeProto& proto;
      void operator()(std::int64_t value) const {
        proto.set_type(onnx::AttributeProto::INT);
        proto.set_i(value);
      }
      void operator()(float value) const {
        proto.set_type(onnx::AttributeProto::FLOAT);
        proto.set_f(value);
      }
      void operator()(const std::string& value) const {
        proto.set_type(onnx::AttributeProto::STRING);
        proto.set_s(value);
      }
      void operator()(const std::vector<std::int64_t>& values) const {
        proto.set_type(onnx::AttributeProto::INTS);
        for (const std::int64_t value : values) proto.add_ints(value);
      }
      void operator()(const std::vector<float>& values) const {
        proto.set_type(onnx::AttributeProto::FLOATS);
        for (const float value : values) proto.add_floats(value);
      }
      void operator()(const std::vector<std::string>& values) const {
        proto.set_type(onnx::AttributeProto::STRINGS);
        for (const std::string& value : values) proto.add_strings(value);
      }
    };
    std::visit(Setter{proto}, attribute.value);
  }

  onnx::ModelProto model_;
};

}  // namespace punctual
