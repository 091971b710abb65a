#include "reference.h"

#include <cstring>
#include <random>

namespace punctual {

namespace {

template <class T>
void Append(const std::string& bytes, std::vector<double>& values) {
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    values.push_back(static_cast<double>(value));
  }
}

const ReferenceOperator* FindReference(const std::string& type) {
  for (const ReferenceOperators* all :
       {&ElementwiseReference(), &ArrangingReference(), &LayerReference(), &TreeReference()})
    if (const auto found = all->find(type); found != all->end()) return &found->second;
  return nullptr;
}

}  // namespace

DoubleTensor::DoubleTensor(std::vector<std::int64_t> shape) : dims(std::move(shape)) {
  values.resize(static_cast<std::size_t>(Span(0, rank())));
}

std::int64_t DoubleTensor::Span(std::int64_t first, std::int64_t last) const {
  std::int64_t product = 1;
  for (std::int64_t i = first; i < last; ++i) product *= dims[static_cast<std::size_t>(i)];
  return product;
}

const onnx::AttributeProto* ReferenceNode::Find(const char* attribute) const {
  for (const onnx::AttributeProto& one : proto.attribute())
    if (one.name() == attribute) return &one;
  return nullptr;
}

std::int64_t ReferenceNode::Int(const char* attribute, std::int64_t otherwise) const {
  const onnx::AttributeProto* found = Find(attribute);
  return found ? found->i() : otherwise;
}

double ReferenceNode::Float(const char* attribute, double otherwise) const {
  const onnx::AttributeProto* found = Find(attribute);
  return found ? static_cast<double>(found->f()) : otherwise;
}

std::string ReferenceNode::String(const char* attribute, const std::string& otherwise) const {
  const onnx::AttributeProto* found = Find(attribute);
  return found ? found->s() : otherwise;
}

std::vector<std::int64_t> ReferenceNode::Ints(const char* attribute, std::vector<std::int64_t> otherwise) const {
  const onnx::AttributeProto* found = Find(attribute);
  if (found) otherwise.assign(found->ints().begin(), found->ints().end());
  return otherwise;
}

std::span<const float> ReferenceNode::Floats(const char* attribute) const {
  const onnx::AttributeProto* found = Find(attribute);
  if (!found) return {};
  return {found->floats().data(), static_cast<std::size_t>(found->floats_size())};
}

std::vector<std::int64_t> ReferenceNode::Numbers(std::size_t i, const char* attribute) const {
  if (!Has(i)) return Ints(attribute);
  return {inputs[i]->values.begin(), inputs[i]->values.end()};
}

DoubleTensor ToDouble(const onnx::TensorProto& tensor) {
  DoubleTensor result;
  result.dims.assign(tensor.dims().begin(), tensor.dims().end());
  const std::string& raw = tensor.raw_data();
  switch (tensor.data_type()) {
    case onnx::TensorProto::FLOAT:
      Append<float>(raw, result.values);
      for (const float value : tensor.float_data()) result.values.push_back(static_cast<double>(value));
      break;
    case onnx::TensorProto::INT64:
      Append<std::int64_t>(raw, result.values);
      for (const std::int64_t value : tensor.int64_data()) result.values.push_back(static_cast<double>(value));
      break;
    case onnx::TensorProto::INT32: Append<std::int32_t>(raw, result.values); break;
    case onnx::TensorProto::INT8: Append<std::int8_t>(raw, result.values); break;
    case onnx::TensorProto::UINT8: Append<std::uint8_t>(raw, result.values); break;
    default: break;
  }
  return result;
}

Result<DoubleValues> ComputeReference(const onnx::GraphProto& graph, const DoubleValues& inputs) {
  DoubleValues values = inputs;
  std::map<std::string, onnx::TensorProto::DataType> types;
  for (const onnx::TensorProto& constant : graph.initializer()) {
    values[constant.name()] = ToDouble(constant);
    types[constant.name()] = static_cast<onnx::TensorProto::DataType>(constant.data_type());
  }
  for (const onnx::NodeProto& proto : graph.node()) {
    const ReferenceOperator* compute = FindReference(proto.op_type());
    if (!compute)
      return Fail(Code::kFailedPrecondition, "reference: node \"" + proto.name() + "\" is a " + proto.op_type() +
                                                 ", which bench/reference does not compute");
    ReferenceNode node{proto, {}, {}};
    for (const std::string& name : proto.input()) {
      node.inputs.push_back(name.empty() ? nullptr : &values.at(name));
      const auto type = types.find(name);
      node.types.push_back(type == types.end() ? onnx::TensorProto::UNDEFINED : type->second);
    }
    std::vector<DoubleTensor> outputs = (*compute)(node);
    for (int i = 0; i < proto.output_size(); ++i)
      if (!proto.output(i).empty()) values[proto.output(i)] = std::move(outputs[static_cast<std::size_t>(i)]);
  }
  return values;
}

DoubleValues ReferenceInput(const onnx::GraphProto& graph, std::uint32_t index) {
  DoubleValues inputs;
  std::mt19937 random(1000 + index);
  std::normal_distribution<float> normal;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    std::vector<std::int64_t> dims;
    for (const auto& dimension : input.type().tensor_type().shape().dim())
      dims.push_back(dimension.has_dim_value() ? dimension.dim_value() : 1);
    DoubleTensor tensor(dims);
    for (double& value : tensor.values) value = static_cast<double>(normal(random));
    inputs[input.name()] = std::move(tensor);
  }
  return inputs;
}

}  // namespace punctual
