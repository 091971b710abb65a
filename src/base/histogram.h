// A histogram of durations with a bounded relative error (3 %), the same buckets everywhere, so that any two can be
// added. Value type, not thread-safe; telemetry/ has the one that many threads record into.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "punctual/prediction.h"

namespace punctual {

// Buckets: nanoseconds, exact below 32, then 32 a power of two, up to 2^40 ns (18 minutes; beyond counts as that).
inline constexpr int kHistogramSubBits = 5;
inline constexpr int kHistogramMaxPower = 40;
inline constexpr std::size_t kHistogramBuckets = static_cast<std::size_t>(kHistogramMaxPower - kHistogramSubBits + 1)
                                                 << kHistogramSubBits;

inline std::size_t HistogramBucket(Duration duration) {
  const std::uint64_t ns = duration.count() < 0 ? 0 : static_cast<std::uint64_t>(duration.count());
  constexpr std::uint64_t kSub = 1u << kHistogramSubBits;
  if (ns < kSub) return ns;
  const int power = std::bit_width(ns) - 1;
  if (power >= kHistogramMaxPower) return kHistogramBuckets - 1;
  const int shift = power - kHistogramSubBits;
  return (static_cast<std::size_t>(shift + 1) << kHistogramSubBits) + ((ns >> shift) - kSub);
}
// The bucket's upper end.
Duration HistogramBucketEnd(std::size_t bucket);

class Histogram {
 public:
  void Record(Duration duration) { Add(HistogramBucket(duration), 1, duration); }
  void Merge(const Histogram& other);
  // For those who keep the buckets elsewhere. `max`: the largest duration among them.
  void Add(std::size_t bucket, std::uint64_t count, Duration max);

  // What was recorded into this one since it was `earlier`, a copy of it. The maximum stays that of all.
  Histogram Since(const Histogram& earlier) const;

  std::uint64_t count() const { return count_; }
  std::uint64_t CountIn(std::size_t bucket) const { return buckets_[bucket]; }
  Duration max() const { return max_; }
  // How many were <= limit (to the bucket's precision).
  std::uint64_t CountUpTo(Duration limit) const;
  // The duration that a share `q` of all did not pass, never above max(); zero if empty. q in [0, 1].
  Duration Quantile(double q) const;

 private:
  std::array<std::uint64_t, kHistogramBuckets> buckets_{};
  std::uint64_t count_ = 0;
  Duration max_{};
};

}  // namespace punctual
