#include "answer/reply_reserve.h"

namespace punctual {

void ReplyReserve::Update() {
  const Histogram now = costs_.Snapshot();
  const Histogram recent = now.Since(seen_before_);
  p999_.store(recent.Quantile(0.999), std::memory_order_relaxed);
  seen_before_ = seen_last_;
  seen_last_ = now;
}

}  // namespace punctual
