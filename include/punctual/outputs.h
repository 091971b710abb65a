// What a model gave: named tensors in one block of bytes. A value: freely readable from many threads, not thread-safe
// for assigning. Small blocks (those of most models of order books) lie inside the object, so that copying one touches
// nothing that other threads use; larger ones are shared and counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "punctual/result.h"
#include "punctual/tensor.h"

namespace punctual {

// One output, where it lies: valid as long as the Outputs that it was taken from is neither changed nor destroyed.
struct OutputView {
  std::string_view name;
  DType dtype = DType::kFloat32;
  std::span<const std::int64_t> shape;  // row-major, outermost first
  std::span<const std::byte> bytes;     // aligned to 8

  // REQUIRES: dtype is T's.
  template <class T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

class Outputs {
 public:
  static constexpr std::size_t kInlineBytes = 120;
  // Of a block that came from outside.
  static constexpr std::size_t kMaxBlockBytes = std::size_t{64} << 20;
  static constexpr std::size_t kMaxRank = 8;

  Outputs() = default;
  // Copies. REQUIRES: names of at most 65535 bytes, ranks of at most kMaxRank, bytes that fit dtype and shape.
  explicit Outputs(std::span<const OutputView> outputs);
  explicit Outputs(std::span<const NamedTensor> outputs);
  // Of the bytes that block() gave, on this or another machine; they may come from anywhere. kInvalidArgument says what
  // is wrong: sizes, a dtype or a shape that do not fit, a number that is not finite.
  static Result<Outputs> FromBlock(std::span<const std::byte> block);

  std::size_t size() const;
  bool empty() const { return size_ == 0; }
  // REQUIRES: index < size().
  OutputView operator[](std::size_t index) const;

  class Iterator {
   public:
    explicit Iterator(const std::byte* at) : at_(at) {}
    OutputView operator*() const;
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return at_ != other.at_; }

   private:
    const std::byte* at_;
  };
  Iterator begin() const;
  Iterator end() const { return Iterator(data() + size_); }

  // All of it as bytes, the same on every machine of the same byte order: a count, then each output's header, name,
  // shape and values, each from a multiple of 8.
  std::span<const std::byte> block() const { return {data(), size_}; }
  // What it takes outside of the object.
  std::size_t shared_bytes() const { return size_ > kInlineBytes ? size_ : 0; }
  // Equal names, dtypes, shapes and bytes.
  friend bool operator==(const Outputs& a, const Outputs& b);

 private:
  const std::byte* data() const {
    return size_ > kInlineBytes ? reinterpret_cast<const std::byte*>(shared_.get()) : inline_.data();
  }
  std::byte* Allocate(std::size_t size);

  std::size_t size_ = 0;
  alignas(8) std::array<std::byte, kInlineBytes> inline_;  // not set beyond size_
  std::shared_ptr<std::uint64_t[]> shared_;
};

}  // namespace punctual
