#include "model/inference_cost.h"

#include <algorithm>
#include <cmath>

namespace punctual {

namespace {

// Weights are in runs. Never more of them than this from before an update, so that some tens of slow runs are believed
// also where there were thousands of quick ones.
constexpr float kMostOld = 128;
constexpr float kSeed = 32;
constexpr Duration kHalfLife = std::chrono::seconds(2);
// Of a time without runs, what it lets age at most: a quiet hour leaves what was known.
constexpr Duration kLongestGap = std::chrono::seconds(1);
constexpr Duration kOld = std::chrono::milliseconds(100), kOldWhenIll = std::chrono::milliseconds(10);
// Of what 95 of 100 did not pass at load.
constexpr int kIll = 4;
constexpr std::uint32_t kWellRuns = 32;
constexpr int kIdle = 20;  // times as long as an inference, between those that find out whether it is still ill

}  // namespace

void InferenceCost::Seed(const Histogram& calibration) {
  const float scale = kSeed / static_cast<float>(std::max<std::uint64_t>(1, calibration.count()));
  for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
    seed_[bucket] = scale * static_cast<float>(calibration.CountIn(bucket));
  weights_ = seed_;
  Publish();
  well_below_.store(kIll * high(), std::memory_order_relaxed);
}

void InferenceCost::RecordIll(Duration took) {
  if (took > well_below_.load(std::memory_order_relaxed))
    well_runs_.store(0, std::memory_order_relaxed);
  else if (well_runs_.fetch_add(1, std::memory_order_relaxed) + 1 >= kWellRuns)
    Forget();
}

void InferenceCost::Update(TimePoint now) {
  std::array<float, kHistogramBuckets> fresh;
  float fresh_sum = 0, old_sum = 0;
  for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket) {
    // Mostly zero: not written then, so that those who record keep the line.
    std::atomic<std::uint32_t>& count = fresh_[bucket];
    fresh[bucket] = count.load(std::memory_order_relaxed) == 0
                        ? 0
                        : static_cast<float>(count.exchange(0, std::memory_order_relaxed));
    fresh_sum += fresh[bucket];
    old_sum += weights_[bucket];
  }
  if (forget_.exchange(false, std::memory_order_relaxed)) {
    weights_ = seed_;
    well_runs_.store(0, std::memory_order_relaxed);
    updated_ = now;
    Publish();
    return;
  }
  if (fresh_sum == 0) return;
  // By the time that has gone by, not by runs: where the model is kept from being asked, a few tries a second must be
  // enough to learn that it is quick again.
  const Duration gap =
      updated_ == TimePoint::min() ? kUpdateEvery : std::clamp(now - updated_, Duration::zero(), kLongestGap);
  updated_ = now;
  const float kept = std::exp2(-std::chrono::duration<float>(gap) / std::chrono::duration<float>(kHalfLife));
  const float scale = old_sum > 0 ? std::min(kept, kMostOld / old_sum) : 0;
  for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
    weights_[bucket] = weights_[bucket] * scale + fresh[bucket];
  measured_.store(now, std::memory_order_relaxed);
  Publish();
}

void InferenceCost::Publish() {
  float sum = 0;
  for (const float weight : weights_) sum += weight;
  const auto quantile = [&](float share) {
    float so_far = 0;
    for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket) {
      so_far += weights_[bucket];
      if (so_far >= share * sum && so_far > 0) return HistogramBucketEnd(bucket);
    }
    return Duration::zero();
  };
  typical_.store(quantile(0.5f), std::memory_order_relaxed);
  high_.store(quantile(0.95f), std::memory_order_relaxed);
}

bool InferenceCost::IsOld(TimePoint now, bool may_hurry) {
  TimePoint measured = measured_.load(std::memory_order_relaxed);
  const Duration old = may_hurry && IsIll() ? std::clamp(kIdle * typical(), kOldWhenIll, kOld) : kOld;
  return now - old > measured && measured_.compare_exchange_strong(measured, now, std::memory_order_relaxed);
}

}  // namespace punctual
