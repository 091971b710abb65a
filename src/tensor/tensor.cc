#include "punctual/tensor.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

namespace punctual {

std::size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return 4;
    case DType::kFloat64: return 8;
    case DType::kInt32: return 4;
    case DType::kInt64: return 8;
  }
  return 1;
}

std::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "FP32";
    case DType::kFloat64: return "FP64";
    case DType::kInt32: return "INT32";
    case DType::kInt64: return "INT64";
  }
  return "?";
}

Result<std::size_t> ElementCount(const Shape& shape) {
  constexpr std::int64_t kMax = std::int64_t{1} << 31;
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) return Fail(Code::kInvalidArgument, "shape: " + ShapeText(shape) + " has a negative dimension");
    // count <= 2^31, so the product of two such numbers fits.
    if (dimension > kMax || (count *= dimension) > kMax)
      return Fail(Code::kInvalidArgument, "shape: " + ShapeText(shape) + " has more than 2^31 elements");
  }
  return static_cast<std::size_t>(count);
}

std::string ShapeText(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t dimension : shape) {
    if (text.size() > 1) text += ',';
    text += std::to_string(dimension);
  }
  return text + "]";
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  bytes_.resize(ElementCount(shape_).value() * SizeOf(dtype));
}

Tensor Tensor::Float32(Shape shape, std::span<const float> values) {
  Tensor tensor(DType::kFloat32, std::move(shape));
  assert(tensor.element_count() == values.size());
  std::memcpy(tensor.bytes_.data(), values.data(), tensor.bytes_.size());
  return tensor;
}

bool AllFinite(DType dtype, std::span<const std::byte> bytes) {
  const auto finite = [&]<class T>(T) {
    const std::span<const T> values(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
    return std::all_of(values.begin(), values.end(), [](T value) { return std::isfinite(value); });
  };
  if (dtype == DType::kFloat32) return finite(float{});
  if (dtype == DType::kFloat64) return finite(double{});
  return true;
}

}  // namespace punctual
