// Copies a box of elements from one arrangement to another: what Transpose, Slice, Concat and their like come to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace punctual::native {

// How an arrangement finds the element (i, j, ...) of the box: at offset + i * strides[0] + j * strides[1] + ..., in
// elements. Strides may be negative, and 0 where the same elements are read again.
struct Arrangement {
  std::vector<std::int64_t> strides;
  std::int64_t offset = 0;
};

// Of a dense row-major box.
std::vector<std::int64_t> DenseStrides(const std::vector<std::int64_t>& dims);

// Immutable; may be run by many threads. It is planned once: dimensions that lie together on both sides are merged, so
// that what can be copied in long runs is.
class StridedCopy {
 public:
  // `dims`: of the box, outermost first, each >= 0, no more than 16. REQUIRES: the strides are as many;
  // element_bytes is 1, 4 or 8; the elements written are all different.
  StridedCopy(std::size_t element_bytes, const std::vector<std::int64_t>& dims, const Arrangement& from,
              const Arrangement& to);

  // Reads and writes exactly the box's elements. REQUIRES: the two do not overlap.
  void Run(const std::byte* from, std::byte* to) const;

 private:
  struct Axis {
    std::int64_t size, from, to;  // strides in bytes
  };
  enum class Inner { kRun, kTile, kElements };  // how the innermost axes are copied

  void Plan();
  void Walk(std::size_t axis, const std::byte* from, std::byte* to) const;
  void CopyInner(const std::byte* from, std::byte* to) const;
  template <class T>
  void CopyTile(const std::byte* from, std::byte* to) const;
  template <class T>
  void CopyElements(const std::byte* from, std::byte* to) const;

  std::int64_t element_bytes_;
  bool is_empty_ = false;
  std::int64_t from_offset_, to_offset_;  // bytes
  std::vector<Axis> outer_;               // walked one by one
  Inner inner_ = Inner::kRun;
  std::int64_t run_bytes_ = 0;  // of kRun
  Axis rows_{1, 0, 0};          // of kTile: next to each other where they are read
  Axis columns_{1, 0, 0};       // of kTile: next to each other where they are written; of kElements: those
};

}  // namespace punctual::native
