#include "answer/reply_reserve.h"

namespace punctual {

Duration ReplyReserve::Recent::P999(const telemetry::DurationHistogram& all) {
  const Histogram now = all.Snapshot();
  const Duration p999 = now.Since(before).Quantile(0.999);
  before = last;
  last = now;
  return p999;
}

void ReplyReserve::Update() {
  p999_.store(recent_costs_.P999(costs_) + recent_lateness_.P999(lateness_), std::memory_order_relaxed);
}

}  // namespace punctual
