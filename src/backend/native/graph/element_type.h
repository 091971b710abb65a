// What an element of a value is inside a graph: more than a tensor of the API may hold (punctual/tensor.h), since
// graphs compute with codes and truths in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace punctual::native {

enum class ElementType : std::uint8_t { kFloat32, kFloat64, kInt32, kInt64, kInt8, kUint8, kBool };

constexpr std::size_t SizeOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
    case ElementType::kInt32: return 4;
    case ElementType::kFloat64:
    case ElementType::kInt64: return 8;
    case ElementType::kInt8:
    case ElementType::kUint8:
    case ElementType::kBool: return 1;
  }
  return 0;
}

// As ONNX names it: "float", "double", "int32", "int64", "int8", "uint8", "bool".
std::string_view NameOf(ElementType type);

template <class T>
constexpr ElementType kElementType = ElementType::kBool;
template <>
inline constexpr ElementType kElementType<float> = ElementType::kFloat32;
template <>
inline constexpr ElementType kElementType<double> = ElementType::kFloat64;
template <>
inline constexpr ElementType kElementType<std::int32_t> = ElementType::kInt32;
template <>
inline constexpr ElementType kElementType<std::int64_t> = ElementType::kInt64;
template <>
inline constexpr ElementType kElementType<std::int8_t> = ElementType::kInt8;
template <>
inline constexpr ElementType kElementType<std::uint8_t> = ElementType::kUint8;

}  // namespace punctual::native
