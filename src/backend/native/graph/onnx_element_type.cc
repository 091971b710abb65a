#include "backend/native/graph/onnx_element_type.h"

#include <onnx/onnx_pb.h>

namespace punctual::native {

std::optional<ElementType> ElementTypeOf(std::int64_t onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::FLOAT: return ElementType::kFloat32;
    case onnx::TensorProto::DOUBLE: return ElementType::kFloat64;
    case onnx::TensorProto::INT32: return ElementType::kInt32;
    case onnx::TensorProto::INT64: return ElementType::kInt64;
    case onnx::TensorProto::INT8: return ElementType::kInt8;
    case onnx::TensorProto::UINT8: return ElementType::kUint8;
    case onnx::TensorProto::BOOL: return ElementType::kBool;
    default: return std::nullopt;
  }
}

std::string OnnxTypeText(std::int64_t onnx_type) {
  if (const auto type = ElementTypeOf(onnx_type)) return std::string(NameOf(*type));
  switch (onnx_type) {
    case onnx::TensorProto::STRING: return "string";
    case onnx::TensorProto::FLOAT16: return "float16";
    case onnx::TensorProto::BFLOAT16: return "bfloat16";
    case onnx::TensorProto::INT16: return "int16";
    case onnx::TensorProto::UINT16: return "uint16";
    case onnx::TensorProto::UINT32: return "uint32";
    case onnx::TensorProto::UINT64: return "uint64";
    case onnx::TensorProto::COMPLEX64: return "complex64";
    case onnx::TensorProto::COMPLEX128: return "complex128";
    default: return "type " + std::to_string(onnx_type);
  }
}

}  // namespace punctual::native
