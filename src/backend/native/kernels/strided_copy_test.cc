#include "backend/native/kernels/strided_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace punctual::native {
namespace {

// Element by element, as the comment of Arrangement says.
void CopySlowly(std::size_t element_bytes, const std::vector<std::int64_t>& dims, const Arrangement& from,
                const Arrangement& to, const std::byte* read, std::byte* written) {
  const auto bytes = static_cast<std::int64_t>(element_bytes);
  std::int64_t count = 1;
  for (const std::int64_t size : dims) count *= size;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t rest = i, at_from = from.offset, at_to = to.offset;
    for (std::size_t axis = dims.size(); axis-- > 0;) {
      at_from += rest % dims[axis] * from.strides[axis];
      at_to += rest % dims[axis] * to.strides[axis];
      rest /= dims[axis];
    }
    std::memcpy(written + at_to * bytes, read + at_from * bytes, element_bytes);
  }
}

void ExpectCopies(std::size_t element_bytes, const std::vector<std::int64_t>& dims, const Arrangement& from,
                  const Arrangement& to, std::size_t elements_from, std::size_t elements_to) {
  std::vector<std::byte> read(elements_from * element_bytes);
  for (std::size_t i = 0; i < read.size(); ++i) read[i] = static_cast<std::byte>(i * 37 % 251);
  // What belongs to nobody stays as it is.
  std::vector<std::byte> expected(elements_to * element_bytes, std::byte{0xee}), written = expected;
  CopySlowly(element_bytes, dims, from, to, read.data(), expected.data());
  StridedCopy(element_bytes, dims, from, to).Run(read.data(), written.data());
  EXPECT_EQ(written, expected) << ::testing::PrintToString(dims) << " of " << element_bytes << " bytes";
}

TEST(StridedCopyTest, EveryPermutationOfEverySizeIsCopied) {
  for (const std::size_t element_bytes : {1u, 4u, 8u})
    for (const std::vector<std::int64_t>& dims : std::vector<std::vector<std::int64_t>>{
             {}, {5}, {1}, {3, 1}, {17, 33}, {40, 3}, {2, 3, 4}, {5, 1, 18}, {2, 3, 1, 20}, {3, 2, 2, 3, 2}}) {
      std::vector<std::size_t> order(dims.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      const auto strides = DenseStrides(dims);
      std::size_t count = 1;
      for (const std::int64_t size : dims) count *= static_cast<std::size_t>(size);
      do {
        std::vector<std::int64_t> box;
        Arrangement from;
        for (const std::size_t axis : order) {
          box.push_back(dims[axis]);
          from.strides.push_back(strides[axis]);
        }
        ExpectCopies(element_bytes, box, from, {DenseStrides(box)}, count, count);
        ExpectCopies(element_bytes, box, {DenseStrides(box)}, from, count, count);
      } while (std::next_permutation(order.begin(), order.end()));
    }
}

TEST(StridedCopyTest, StridesMayBeNegativeOrZeroAndSkip) {
  for (const std::size_t element_bytes : {1u, 4u, 8u}) {
    ExpectCopies(element_bytes, {4}, {{-1}, 3}, {{1}}, 4, 4);
    ExpectCopies(element_bytes, {4}, {{0}, 2}, {{1}}, 4, 4);
    ExpectCopies(element_bytes, {3, 4}, {{0, 1}}, {{4, 1}}, 4, 12);
    ExpectCopies(element_bytes, {3, 4}, {{1, 0}}, {{4, 1}}, 4, 12);
    ExpectCopies(element_bytes, {2, 3}, {{-10, -2}, 15}, {{3, 1}}, 20, 6);
    ExpectCopies(element_bytes, {3, 2}, {{2, 1}}, {{5, 1}, 3}, 6, 20);
  }
}

TEST(StridedCopyTest, AnEmptyBoxCopiesNothing) {
  ExpectCopies(4, {0}, {{1}}, {{1}}, 0, 4);
  ExpectCopies(4, {3, 0, 2}, {{2, 2, 1}}, {{2, 2, 1}}, 6, 6);
}

}  // namespace
}  // namespace punctual::native
