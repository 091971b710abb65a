#include "model/shadow_audit.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <sstream>

namespace punctual {

namespace {

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): the number of a call, mixed.
double UniformOf(std::uint64_t seed, std::uint64_t call) {
  std::uint64_t z = seed + (call + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

template <class T>
Difference CompareValues(std::span<const T> a, std::span<const T> b, std::size_t row, double tolerance) {
  Difference difference;
  for (std::size_t i = 0; i < a.size(); ++i) {
    // Written so that what is not a number differs.
    const double by = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(by <= tolerance)) difference.value = true;
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

Difference CompareViews(const OutputView& a, const OutputView& b, double tolerance) {
  const std::size_t row = a.shape.empty() ? 1 : static_cast<std::size_t>(a.shape.back());
  switch (a.dtype) {
    case DType::kFloat32: return CompareValues(a.values<float>(), b.values<float>(), row, tolerance);
    case DType::kFloat64: return CompareValues(a.values<double>(), b.values<double>(), row, tolerance);
    case DType::kInt32: return CompareValues(a.values<std::int32_t>(), b.values<std::int32_t>(), row, tolerance);
    case DType::kInt64: break;
  }
  return CompareValues(a.values<std::int64_t>(), b.values<std::int64_t>(), row, tolerance);
}

}  // namespace

Difference Compare(const Outputs& a, const Outputs& b, double tolerance) {
  Difference all;
  if (a.size() != b.size()) return {false, true};
  auto other = b.begin();
  for (const OutputView& output : a) {
    const OutputView against = *other;
    if (output.name != against.name || output.dtype != against.dtype ||
        !std::ranges::equal(output.shape, against.shape))
      return {all.argmax, true};
    const Difference one = CompareViews(output, against, tolerance);
    all.argmax = all.argmax || one.argmax;
    all.value = all.value || one.value;
    ++other;
  }
  return all;
}

ShadowAudit::ShadowAudit(const Options& options) : options_(options) {}

bool ShadowAudit::Sample() {
  return UniformOf(options_.seed, asked_.fetch_add(1, std::memory_order_relaxed)) < options_.audit_share;
}

bool ShadowAudit::Record(const Outputs& given, const Outputs& recomputed) {
  const Difference difference = Compare(given, recomputed, options_.tolerance);
  const bool differs = difference.argmax || difference.value;
  MutexLock lock(mutex_);
  window_[stats_.audited % kWindow] = differs;
  ++stats_.audited;
  stats_.differed += differs;
  stats_.differed_argmax += difference.argmax;
  stats_.differed_value += difference.value;
  const std::size_t seen = static_cast<std::size_t>(std::min<std::uint64_t>(stats_.audited, kWindow));
  stats_.share = static_cast<double>(window_.count()) / static_cast<double>(seen);
  if (stats_.tripped || seen < kFewest || !(stats_.share > options_.max_error_share)) return false;
  stats_.tripped = true;
  tripped_.store(true, std::memory_order_relaxed);
  return true;
}

ShadowAudit::Stats ShadowAudit::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

std::string ShadowAudit::Summary() const {
  const Stats now = stats();
  std::ostringstream text;
  text << now.differed << " of " << now.audited << " differed (" << now.differed_argmax << " in argmax, "
       << now.differed_value << " in value), " << std::round(now.share * 1000) / 10 << " % of the last "
       << std::min<std::uint64_t>(now.audited, kWindow);
  return text.str();
}

}  // namespace punctual
