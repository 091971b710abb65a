#include "answer/reply_reserve.h"

namespace punctual {

Duration ReplyReserve::Recent::P9999(const telemetry::DurationHistogram& all) {
  const Histogram now = all.Snapshot();
  const Duration p9999 = now.Since(before).Quantile(0.9999);
  before = last;
  last = now;
  return p9999;
}

void ReplyReserve::Update() {
  p9999_.store(recent_costs_.P9999(costs_) + recent_lateness_.P9999(lateness_), std::memory_order_relaxed);
}

}  // namespace punctual
