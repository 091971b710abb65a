// What one inference of a model takes lately: a live quantile sketch, seeded at load. It decides what runs where it is
// asked, what is admitted, when a look-up is not waited for any longer.
//
// Robust to a noisy machine: quantiles of many runs, so that a run that lost its core for a while is one run among
// them; and what nobody measures does not age, so that a quiet hour leaves what was known. Where runs take far longer
// than at load, the model is ill, and some tens of runs in a row as they were at load tell that this is over.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/histogram.h"

namespace punctual {

// Record, Forget, typical and high: any thread. Update: one thread at a time.
class InferenceCost {
 public:
  // Of a calibration; before anybody else uses it.
  void Seed(const Histogram& calibration);

  void Record(Duration took) {
    fresh_[HistogramBucket(took)].fetch_add(1, std::memory_order_relaxed);
    if (IsIll()) RecordIll(took);
  }
  // Takes in what was recorded since the last one, of which what is older counts less and less: half after two seconds,
  // also where few runs come in (but a second's worth at once at most). Every kUpdateEvery.
  void Update(TimePoint now);
  static constexpr Duration kUpdateEvery = std::chrono::milliseconds(100);

  // From the next update on as after Seed: what was recorded until then was the model's illness, which is over.
  void Forget() { forget_.store(true, std::memory_order_relaxed); }

  // The median.
  Duration typical() const { return typical_.load(std::memory_order_relaxed); }
  // What 95 of 100 do not pass.
  Duration high() const { return high_.load(std::memory_order_relaxed); }
  // Some time has gone by without a run: what is known may not be so any more. True for one caller each 100 ms; of a
  // model that is ill, if `may_hurry`, for one in so much time that its runs take a twentieth of it.
  bool IsOld(TimePoint now, bool may_hurry);

 private:
  bool IsIll() const { return high() > well_below_.load(std::memory_order_relaxed); }
  void RecordIll(Duration took);
  void Publish();

  std::array<std::atomic<std::uint32_t>, kHistogramBuckets> fresh_{};
  std::array<float, kHistogramBuckets> weights_{}, seed_{};
  std::atomic<Duration> typical_ = Duration::zero(), high_ = Duration::zero();
  std::atomic<TimePoint> measured_ = TimePoint::min();
  std::atomic<bool> forget_ = false;
  std::atomic<Duration> well_below_ = Duration::max();  // of a run
  std::atomic<std::uint32_t> well_runs_ = 0;            // in a row, while it is ill
  TimePoint updated_ = TimePoint::min();                // with something new; of Update alone
};

}  // namespace punctual
