#include "users/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace punctual {

namespace {

constexpr double kSecond = 1e9;

double BurstOf(const RateLimit& limit) { return limit.burst != 0 ? limit.burst : std::max(1.0, limit.rate / 10); }

}  // namespace

Result<void> RateLimit::Check(const std::string& where) const {
  const auto refuse = [&](const char* field, const char* what) {
    return Fail(Code::kInvalidArgument, where + field + what);
  };
  // The negations refuse NaN as well.
  if (rate != 0 && !(rate >= kLeastRate && rate <= kMostRate)) return refuse("rate", ": must be from 0.001 to 1000000");
  if (burst != 0 && !(burst >= 1 && burst <= kMostBurst)) return refuse("burst", ": must be from 1 to 1000000");
  if (burst != 0 && rate == 0) return refuse("burst", ": is given without a rate; give both");
  return {};
}

TokenBucket::TokenBucket(const RateLimit& limit)
    : rate_(limit.rate),
      burst_(BurstOf(limit)),
      interval_ns_(static_cast<std::int64_t>(std::ceil(kSecond / rate_))),
      tolerance_ns_(static_cast<std::int64_t>((burst_ - 1) * static_cast<double>(interval_ns_))) {}

TokenBucket::Taken TokenBucket::Take(TimePoint now) {
  const std::int64_t now_ns = now.time_since_epoch().count();
  std::int64_t due = due_ns_.load(std::memory_order_relaxed);
  for (;;) {
    const std::int64_t from = std::max(due, now_ns);
    if (const std::int64_t early = from - now_ns; early > tolerance_ns_) return {Duration(early - tolerance_ns_), 0};
    if (due_ns_.compare_exchange_weak(due, from + interval_ns_, std::memory_order_relaxed))
      return {Duration::zero(), from + interval_ns_};
  }
}

void TokenBucket::GiveBack(const Taken& taken) {
  std::int64_t due = due_ns_.load(std::memory_order_relaxed);
  do {
    // Those who took since stand whole intervals behind ours, unless the bucket was full again meanwhile and they began
    // anew: then our token has come back by itself.
    if ((due - taken.due_ns) % interval_ns_ != 0) return;
  } while (!due_ns_.compare_exchange_weak(due, due - interval_ns_, std::memory_order_relaxed));
}

}  // namespace punctual
