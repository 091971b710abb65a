// How much of a budget is kept back for replying: answer-by = deadline - this. Measured continuously: p99.9 of what
// sending an answer cost lately, never below the floor, and never more than a quarter of the budget (on a machine that
// stalls, a reserve without a bound would eat the budget and every answer would be degraded).
#pragma once

#include <algorithm>
#include <atomic>

#include "telemetry/registry.h"

namespace punctual {

// Thread-safe, except that one thread calls Update.
class ReplyReserve {
 public:
  ReplyReserve(Duration floor, telemetry::DurationHistogram& costs)
      : floor_(floor), costs_(costs), p999_(Duration::zero()) {}

  void Record(Duration cost) { costs_.Record(cost); }
  // Takes a new p99.9, of what was recorded since the call before the last one. Every few seconds.
  void Update();
  Duration p999() const { return p999_.load(std::memory_order_relaxed); }
  Duration For(Duration budget) const { return std::min(std::max(floor_, p999()), budget / 4); }

 private:
  const Duration floor_;
  telemetry::DurationHistogram& costs_;
  Histogram seen_before_, seen_last_;
  std::atomic<Duration> p999_;
};

}  // namespace punctual
