#include "backend/native/graph/onnx_value_info.h"

#include <onnx/onnx_pb.h>

#include <string>

#include "backend/native/graph/onnx_element_type.h"

namespace punctual::native {

namespace {

bool IsOpen(const onnx::TensorShapeProto::Dimension& dimension) { return !dimension.has_dim_value(); }

std::string TextOf(const onnx::TensorShapeProto& shape) {
  std::string text;
  for (const auto& dimension : shape.dim())
    text += (text.empty() ? "" : ",") + (IsOpen(dimension) ? "?" : std::to_string(dimension.dim_value()));
  return "[" + text + "]";
}

}  // namespace

Result<DeclaredInput> ReadInput(const onnx::ValueInfoProto& input, std::int64_t batch, const Limits& limits) {
  const std::string what = "input \"" + input.name() + "\" ";
  if (input.name().empty()) return Fail(Code::kInvalidArgument, "an input has no name");
  if (!input.type().has_tensor_type())
    return Fail(Code::kFailedPrecondition, what + "is no tensor; only tensors are supported");
  const onnx::TypeProto::Tensor& tensor = input.type().tensor_type();
  const auto type = ElementTypeOf(tensor.elem_type());
  if (!type)
    return Fail(Code::kFailedPrecondition,
                what + "is of type " + OnnxTypeText(tensor.elem_type()) + ", which is not supported");
  if (!tensor.has_shape()) return Fail(Code::kInvalidArgument, what + "has no shape; declare it in the file");
  if (static_cast<std::size_t>(tensor.shape().dim_size()) > limits.max_rank)
    return Fail(Code::kInvalidArgument, what + "has " + std::to_string(tensor.shape().dim_size()) +
                                            " dimensions, more than " + std::to_string(limits.max_rank));
  DeclaredInput declared{{input.name(), *type, {}, nullptr}, false};
  for (int i = 0; i < tensor.shape().dim_size(); ++i) {
    const auto& dimension = tensor.shape().dim(i);
    const bool is_open = IsOpen(dimension);
    if (is_open && i > 0)
      return Fail(Code::kInvalidArgument, what + "of shape " + TextOf(tensor.shape()) +
                                              ": only the first dimension may be open; fix the others in the file");
    declared.batch_is_open = declared.batch_is_open || is_open;
    declared.value.dims.push_back(is_open ? batch : dimension.dim_value());
  }
  if (const auto count = CheckedCount(declared.value.dims, limits); count.has_error())
    return Fail(Code::kInvalidArgument, what + "has " + count.error().message);
  return declared;
}

Result<void> ExpectNoStrings(const onnx::ValueInfoProto& output) {
  const onnx::TypeProto& type = output.type();
  const onnx::TypeProto::Map& map = type.sequence_type().elem_type().map_type();
  const bool is_string =
      type.tensor_type().elem_type() == onnx::TensorProto::STRING || map.key_type() == onnx::TensorProto::STRING;
  if (!is_string) return {};
  return Fail(Code::kFailedPrecondition, "output \"" + output.name() +
                                             "\" holds strings, which cannot be served; train the classifier with "
                                             "whole numbers as labels");
}

Result<void> ExpectDeclared(const onnx::ValueInfoProto& output, const Value& value) {
  if (!output.type().has_tensor_type()) return {};
  const onnx::TypeProto::Tensor& declared = output.type().tensor_type();
  const std::string what = "output \"" + output.name() + "\" is declared ";
  if (declared.elem_type() != onnx::TensorProto::UNDEFINED && ElementTypeOf(declared.elem_type()) != value.type)
    return Fail(Code::kInvalidArgument,
                what + OnnxTypeText(declared.elem_type()) + ", but " + std::string(NameOf(value.type)) + " comes out");
  if (!declared.has_shape()) return {};
  bool fits = static_cast<std::size_t>(declared.shape().dim_size()) == value.dims.size();
  for (std::size_t i = 0; fits && i < value.dims.size(); ++i) {
    const auto& dimension = declared.shape().dim(static_cast<int>(i));
    fits = IsOpen(dimension) || dimension.dim_value() == value.dims[i];
  }
  if (fits) return {};
  return Fail(Code::kInvalidArgument,
              what + TextOf(declared.shape()) + ", but " + ShapeText(value.dims) + " comes out");
}

}  // namespace punctual::native
