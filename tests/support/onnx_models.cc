#include "support/onnx_models.h"

#include <onnx/onnx_pb.h>

#include <cmath>

namespace punctual::test {

namespace {

class Builder {
 public:
  Builder() {
    model_.set_ir_version(8);
    model_.set_producer_name("punctual-tests");
    model_.add_opset_import()->set_version(13);
    model_.mutable_graph()->set_name("test");
  }

  void Input(const std::string& name, int type, int width) {
    Value(*model_.mutable_graph()->add_input(), name, type, width);
  }
  void Output(const std::string& name, int type, int width) {
    Value(*model_.mutable_graph()->add_output(), name, type, width);
  }
  void Weights(const std::string& name, std::vector<std::int64_t> dims, const std::vector<float>& values) {
    onnx::TensorProto& tensor = *model_.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const auto dimension : dims) tensor.add_dims(dimension);
    tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  }
  onnx::NodeProto& Node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output) {
    onnx::NodeProto& node = *model_.mutable_graph()->add_node();
    node.set_op_type(type);
    for (const auto& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  }
  void Steps(const std::string& scale_name, const std::string& zero_point_name, CodeType type,
             const std::vector<InputQuantizer::Step>& steps) {
    onnx::TensorProto& scale = *model_.mutable_graph()->add_initializer();
    onnx::TensorProto& zero_point = *model_.mutable_graph()->add_initializer();
    scale.set_name(scale_name);
    scale.set_data_type(onnx::TensorProto::FLOAT);
    zero_point.set_name(zero_point_name);
    zero_point.set_data_type(OnnxType(type));
    if (steps.size() > 1) {
      scale.add_dims(static_cast<std::int64_t>(steps.size()));
      zero_point.add_dims(static_cast<std::int64_t>(steps.size()));
    }
    for (const auto& step : steps) {
      scale.add_float_data(step.scale);
      zero_point.add_int32_data(step.zero_point);
    }
    // Codes of 16 bits came with opset 21.
    if (type == CodeType::kUint16 || type == CodeType::kInt16) model_.mutable_opset_import(0)->set_version(21);
  }
  void FixBatch() {
    for (auto* values : {model_.mutable_graph()->mutable_input(), model_.mutable_graph()->mutable_output()})
      for (auto& value : *values)
        value.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(1);
  }
  std::string Bytes() const { return model_.SerializeAsString(); }

 private:
  static onnx::TensorProto::DataType OnnxType(CodeType type) {
    switch (type) {
      case CodeType::kUint8: return onnx::TensorProto::UINT8;
      case CodeType::kInt8: return onnx::TensorProto::INT8;
      case CodeType::kUint16: return onnx::TensorProto::UINT16;
      case CodeType::kInt16: break;
    }
    return onnx::TensorProto::INT16;
  }
  static void Value(onnx::ValueInfoProto& value, const std::string& name, int type, int width) {
    value.set_name(name);
    auto& tensor = *value.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape()->add_dim()->set_dim_param("N");
    tensor.mutable_shape()->add_dim()->set_dim_value(width);
  }
  onnx::ModelProto model_;
};

double LinearWeight(int i, int o, int inputs, double weight) { return weight * ((i * 7 + o * 3) % 11 - 5) / inputs; }

void SetAxis(onnx::NodeProto& node, int axis) {
  auto& attribute = *node.add_attribute();
  attribute.set_name("axis");
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(axis);
}

void AddLinear(Builder& builder, const std::string& from, int inputs, int outputs, double weight) {
  std::vector<float> w, b;
  for (int i = 0; i < inputs; ++i)
    for (int o = 0; o < outputs; ++o) w.push_back(static_cast<float>(LinearWeight(i, o, inputs, weight)));
  for (int o = 0; o < outputs; ++o) b.push_back(static_cast<float>(o) / 10);
  builder.Weights("W", {inputs, outputs}, w);
  builder.Weights("b", {outputs}, b);
  builder.Node("MatMul", {from, "W"}, "product");
  builder.Node("Add", {"product", "b"}, "scores");
  SetAxis(builder.Node("Softmax", {"scores"}, "probabilities"), -1);
}

}  // namespace

std::string LinearModel(int inputs, int outputs, double weight) {
  Builder builder;
  builder.Input("book", onnx::TensorProto::FLOAT, inputs);
  builder.Output("probabilities", onnx::TensorProto::FLOAT, outputs);
  AddLinear(builder, "book", inputs, outputs, weight);
  return builder.Bytes();
}

std::vector<double> LinearModelReference(const std::vector<float>& x, int outputs, double weight) {
  const int inputs = static_cast<int>(x.size());
  std::vector<double> y;
  double sum = 0;
  for (int o = 0; o < outputs; ++o) {
    double score = static_cast<double>(o) / 10;
    for (int i = 0; i < inputs; ++i)
      score += static_cast<double>(x[static_cast<std::size_t>(i)]) * LinearWeight(i, o, inputs, weight);
    y.push_back(std::exp(score));
    sum += y.back();
  }
  for (double& value : y) value /= sum;
  return y;
}

std::string LogModel(int inputs) {
  Builder builder;
  builder.Input("book", onnx::TensorProto::FLOAT, inputs);
  builder.Output("probabilities", onnx::TensorProto::FLOAT, inputs);
  builder.Node("Log", {"book"}, "probabilities");
  return builder.Bytes();
}

std::string SquareModel(int inputs) {
  Builder builder;
  builder.Input("book", onnx::TensorProto::FLOAT, inputs);
  builder.Output("probabilities", onnx::TensorProto::FLOAT, inputs);
  builder.Node("Mul", {"book", "book"}, "probabilities");
  return builder.Bytes();
}

std::string BatchMixingModel(int inputs) {
  Builder builder;
  builder.Input("book", onnx::TensorProto::FLOAT, inputs);
  builder.Output("probabilities", onnx::TensorProto::FLOAT, inputs);
  SetAxis(builder.Node("Softmax", {"book"}, "probabilities"), 0);
  return builder.Bytes();
}

std::string FixedBatchModel(int inputs) {
  Builder builder;
  builder.Input("book", onnx::TensorProto::FLOAT, inputs);
  builder.Output("probabilities", onnx::TensorProto::FLOAT, inputs);
  builder.Node("Log", {"book"}, "probabilities");
  builder.FixBatch();
  return builder.Bytes();
}

std::string TwoInputModel(int size) {
  Builder builder;
  builder.Input("x", onnx::TensorProto::FLOAT, size);
  builder.Input("count", onnx::TensorProto::INT64, size);
  builder.Output("sum", onnx::TensorProto::FLOAT, size);
  auto& to = *builder.Node("Cast", {"count"}, "count_float").add_attribute();
  to.set_name("to");
  to.set_type(onnx::AttributeProto::INT);
  to.set_i(onnx::TensorProto::FLOAT);
  builder.Node("Add", {"x", "count_float"}, "sum");
  return builder.Bytes();
}

std::string QuantizedModel(int inputs, int outputs, CodeType type, const std::vector<InputQuantizer::Step>& steps) {
  Builder builder;
  builder.Input("book", onnx::TensorProto::FLOAT, inputs);
  builder.Output("probabilities", onnx::TensorProto::FLOAT, outputs);
  builder.Steps("scale", "zero_point", type, steps);
  builder.Node("QuantizeLinear", {"book", "scale", "zero_point"}, "codes").set_name("quantize");
  builder.Node("DequantizeLinear", {"codes", "scale", "zero_point"}, "known");
  AddLinear(builder, "known", inputs, outputs, 1.0);
  return builder.Bytes();
}

}  // namespace punctual::test
