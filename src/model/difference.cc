#include "model/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace punctual {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
Difference CompareValues(std::span<const T> a, std::span<const T> b, std::size_t row) {
  Difference difference;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double of_a = static_cast<double>(a[i]);
    const double by = std::abs(of_a - static_cast<double>(b[i]));
    difference.largest = std::max(difference.largest, std::isnan(by) ? kInfinity : by);
    difference.scale = std::max(difference.scale, std::abs(of_a));
  }
  for (std::size_t begin = 0; row > 1 && begin + row <= a.size(); begin += row) {
    const auto place = [&](std::span<const T> of) {
      const auto part = of.subspan(begin, row);
      return std::max_element(part.begin(), part.end()) - part.begin();
    };
    if (place(a) != place(b)) difference.argmax = true;
  }
  return difference;
}

}  // namespace

Difference Compare(const OutputView& a, const OutputView& b) {
  if (a.name != b.name || a.dtype != b.dtype || !std::ranges::equal(a.shape, b.shape)) return {.largest = kInfinity};
  const std::size_t row = a.shape.empty() ? 1 : static_cast<std::size_t>(a.shape.back());
  switch (a.dtype) {
    case DType::kFloat32: return CompareValues(a.values<float>(), b.values<float>(), row);
    case DType::kFloat64: return CompareValues(a.values<double>(), b.values<double>(), row);
    case DType::kInt32: return CompareValues(a.values<std::int32_t>(), b.values<std::int32_t>(), row);
    case DType::kInt64: break;
  }
  return CompareValues(a.values<std::int64_t>(), b.values<std::int64_t>(), row);
}

Difference Compare(const Outputs& a, const Outputs& b) {
  if (a.size() != b.size()) return {.largest = kInfinity};
  Difference all;
  auto other = b.begin();
  for (const OutputView& output : a) {
    const Difference one = Compare(output, *other);
    all.argmax = all.argmax || one.argmax;
    all.largest = std::max(all.largest, one.largest);
    all.scale = std::max(all.scale, one.scale);
    ++other;
  }
  return all;
}

}  // namespace punctual
