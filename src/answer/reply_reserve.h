// How much of a budget is kept back for replying: answer-by = deadline - this. Measured continuously: p99.99 of what
// sending an answer cost lately, and p99.99 of how late the timer of answer-by was, never below the floor, and never
// more than a quarter of the budget (on a machine that stalls, a reserve without a bound would eat the budget and every
// answer would be degraded).
#pragma once

#include <algorithm>
#include <atomic>

#include "telemetry/registry.h"

namespace punctual {

// Thread-safe, except that one thread calls Update.
class ReplyReserve {
 public:
  ReplyReserve(Duration floor, telemetry::DurationHistogram& costs, const telemetry::DurationHistogram& lateness)
      : floor_(floor), costs_(costs), lateness_(lateness) {}

  void Record(Duration cost) { costs_.Record(cost); }
  // Takes a new p99.99, of what was recorded since the call before the last one. Every few seconds.
  void Update();
  // Of the cost of replying and of the timer's lateness, added.
  Duration p9999() const { return p9999_.load(std::memory_order_relaxed); }
  Duration For(Duration budget) const { return Of(budget, std::max(floor_, p9999())); }
  // What is kept back of a budget where `wanted` should be.
  static Duration Of(Duration budget, Duration wanted) { return std::min(wanted, budget / 4); }

 private:
  const Duration floor_;
  // What a histogram recorded since the Update before the last one.
  struct Recent {
    Histogram before, last;
    Duration P9999(const telemetry::DurationHistogram& all);
  };
  telemetry::DurationHistogram& costs_;
  const telemetry::DurationHistogram& lateness_;
  Recent recent_costs_, recent_lateness_;
  std::atomic<Duration> p9999_ = Duration::zero();
};

}  // namespace punctual
