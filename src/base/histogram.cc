#include "base/histogram.h"

#include <algorithm>
#include <cmath>

namespace punctual {

Duration HistogramBucketEnd(std::size_t bucket) {
  constexpr std::uint64_t kSub = 1u << kHistogramSubBits;
  if (bucket < kSub) return Duration(static_cast<std::int64_t>(bucket));
  const std::size_t shift = (bucket >> kHistogramSubBits) - 1;
  const std::uint64_t base = kSub + (bucket & (kSub - 1));
  return Duration(static_cast<std::int64_t>(((base + 1) << shift) - 1));
}

void Histogram::Merge(const Histogram& other) {
  for (std::size_t i = 0; i < kHistogramBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

void Histogram::Add(std::size_t bucket, std::uint64_t count, Duration max) {
  buckets_[bucket] += count;
  count_ += count;
  max_ = std::max(max_, max);
}

Histogram Histogram::Since(const Histogram& earlier) const {
  Histogram recent = *this;
  for (std::size_t i = 0; i < kHistogramBuckets; ++i) recent.buckets_[i] -= earlier.buckets_[i];
  recent.count_ -= earlier.count_;
  return recent;
}

std::uint64_t Histogram::CountUpTo(Duration limit) const {
  std::uint64_t sum = 0;
  const std::size_t last = HistogramBucket(limit);
  for (std::size_t i = 0; i <= last; ++i) sum += buckets_[i];
  return sum;
}

Duration Histogram::Quantile(double q) const {
  if (count_ == 0) return {};
  const auto rank = static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_)));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kHistogramBuckets; ++i) {
    sum += buckets_[i];
    if (sum >= std::max<std::uint64_t>(rank, 1)) return std::min(HistogramBucketEnd(i), max_);
  }
  return max_;
}

}  // namespace punctual
