#include "backend/native/kernels/strided_copy.h"

#include <algorithm>
#include <cstring>

namespace punctual::native {

std::vector<std::int64_t> DenseStrides(const std::vector<std::int64_t>& dims) {
  std::vector<std::int64_t> strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return strides;
}

StridedCopy::StridedCopy(std::size_t element_bytes, const std::vector<std::int64_t>& dims, const Arrangement& from,
                         const Arrangement& to)
    : element_bytes_(static_cast<std::int64_t>(element_bytes)),
      from_offset_(from.offset * element_bytes_),
      to_offset_(to.offset * element_bytes_) {
  for (std::size_t i = 0; i < dims.size(); ++i) {
    is_empty_ = is_empty_ || dims[i] == 0;
    if (dims[i] == 1) continue;
    const Axis axis{dims[i], from.strides[i] * element_bytes_, to.strides[i] * element_bytes_};
    Axis* const above = outer_.empty() ? nullptr : &outer_.back();
    if (above != nullptr && above->from == axis.from * axis.size && above->to == axis.to * axis.size)
      *above = {above->size * axis.size, axis.from, axis.to};
    else
      outer_.push_back(axis);
  }
  if (!is_empty_) Plan();
}

// Takes the innermost axes off outer_.
void StridedCopy::Plan() {
  run_bytes_ = element_bytes_;
  if (outer_.empty()) return;
  const auto take = [&](std::vector<Axis>::iterator at) {
    const Axis axis = *at;
    outer_.erase(at);
    return axis;
  };
  const auto written =
      std::find_if(outer_.begin(), outer_.end(), [&](const Axis& a) { return a.to == element_bytes_; });
  if (written != outer_.end() && written->from == element_bytes_) {
    run_bytes_ = take(written).size * element_bytes_;
    return;
  }
  const auto read = std::find_if(outer_.begin(), outer_.end(), [&](const Axis& a) { return a.from == element_bytes_; });
  if (written != outer_.end() && read != outer_.end()) {
    inner_ = Inner::kTile;
    rows_ = *read;
    columns_ = take(written);
    outer_.erase(std::find_if(outer_.begin(), outer_.end(), [&](const Axis& a) { return a.from == element_bytes_; }));
    return;
  }
  inner_ = Inner::kElements;
  columns_ = take(outer_.end() - 1);
}

void StridedCopy::Run(const std::byte* from, std::byte* to) const {
  if (!is_empty_) Walk(0, from + from_offset_, to + to_offset_);
}

void StridedCopy::Walk(std::size_t axis, const std::byte* from, std::byte* to) const {
  if (axis == outer_.size()) return CopyInner(from, to);
  const Axis& at = outer_[axis];
  if (inner_ == Inner::kRun && axis + 1 == outer_.size()) {
    const auto bytes = static_cast<std::size_t>(run_bytes_);
    for (std::int64_t i = 0; i < at.size; ++i) std::memcpy(to + i * at.to, from + i * at.from, bytes);
    return;
  }
  for (std::int64_t i = 0; i < at.size; ++i) Walk(axis + 1, from + i * at.from, to + i * at.to);
}

void StridedCopy::CopyInner(const std::byte* from, std::byte* to) const {
  switch (inner_) {
    case Inner::kRun: std::memcpy(to, from, static_cast<std::size_t>(run_bytes_)); break;
    case Inner::kTile:
      if (element_bytes_ == 1) CopyTile<std::uint8_t>(from, to);
      if (element_bytes_ == 4) CopyTile<std::uint32_t>(from, to);
      if (element_bytes_ == 8) CopyTile<std::uint64_t>(from, to);
      break;
    case Inner::kElements:
      if (element_bytes_ == 1) CopyElements<std::uint8_t>(from, to);
      if (element_bytes_ == 4) CopyElements<std::uint32_t>(from, to);
      if (element_bytes_ == 8) CopyElements<std::uint64_t>(from, to);
      break;
  }
}

// In squares, so that the cache lines that are read are still there when their next column is wanted.
template <class T>
void StridedCopy::CopyTile(const std::byte* from, std::byte* to) const {
  constexpr std::int64_t kSide = 16;
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t top = 0; top < rows_.size; top += kSide) {
    const std::int64_t bottom = std::min(top + kSide, rows_.size);
    for (std::int64_t left = 0; left < columns_.size; left += kSide) {
      const std::int64_t right = std::min(left + kSide, columns_.size);
      for (std::int64_t row = top; row < bottom; ++row) {
        const std::byte* const read = from + row * kBytes;
        std::byte* const written = to + row * rows_.to;
        for (std::int64_t column = left; column < right; ++column)
          std::memcpy(written + column * kBytes, read + column * columns_.from, sizeof(T));
      }
    }
  }
}

template <class T>
void StridedCopy::CopyElements(const std::byte* from, std::byte* to) const {
  for (std::int64_t i = 0; i < columns_.size; ++i) {
    std::memcpy(to, from, sizeof(T));
    from += columns_.from;
    to += columns_.to;
  }
}

}  // namespace punctual::native
