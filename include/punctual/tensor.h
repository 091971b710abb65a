// Tensors: the inputs and outputs of models. Values; not thread-safe for writing, freely readable from many threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/result.h"

namespace punctual {

enum class DType : std::uint8_t { kFloat32, kFloat64, kInt32, kInt64 };

// Bytes of one element.
std::size_t SizeOf(DType dtype);
// The Open Inference Protocol's name: "FP32", "FP64", "INT32", "INT64".
std::string_view DTypeName(DType dtype);

// Dimensions, outermost first; row-major. An empty shape is a scalar (one element).
using Shape = std::vector<std::int64_t>;

// Elements of a shape whose dimensions are all >= 0; kInvalidArgument if one is negative or the product passes 2^31.
Result<std::size_t> ElementCount(const Shape& shape);
// "[1,100,40]"
std::string ShapeText(const Shape& shape);

// A dense row-major tensor that owns its bytes. Default-constructed: an empty float tensor of shape [0].
class Tensor {
 public:
  Tensor() = default;
  // REQUIRES: every dimension >= 0 and ElementCount(shape) succeeds. Zero-filled.
  Tensor(DType dtype, Shape shape);
  // A float32 tensor of `values`. REQUIRES: ElementCount(shape) == values.size().
  static Tensor Float32(Shape shape, std::span<const float> values);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t element_count() const { return bytes_.size() / SizeOf(dtype_); }
  std::span<const std::byte> bytes() const { return bytes_; }
  std::span<std::byte> mutable_bytes() { return bytes_; }
  // REQUIRES: dtype() is T's.
  template <class T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  template <class T>
  std::span<T> mutable_values() {
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  DType dtype_ = DType::kFloat32;
  Shape shape_ = {0};
  std::vector<std::byte> bytes_;  // from operator new: aligned for every DType
};

// True if every number of `bytes`, which hold values of that dtype, is finite (whole numbers are).
bool AllFinite(DType dtype, std::span<const std::byte> bytes);

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

}  // namespace punctual
