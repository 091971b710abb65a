// ONNX's numbers of element types (TensorProto.DataType), without its header.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "backend/native/graph/element_type.h"

namespace punctual::native {

// Of a `to` or `dtype` attribute, or of a value of a file; nullopt: not one of ours.
std::optional<ElementType> ElementTypeOf(std::int64_t onnx_type);

// As messages say it: "float16", "string", "type 99".
std::string OnnxTypeText(std::int64_t onnx_type);

}  // namespace punctual::native
