#include "cache/redis/breaker.h"

#include <algorithm>

namespace punctual::redis {

void Breaker::OnProbeStarted() { state_ = was_up_ ? State::kHalfOpen : State::kConnecting; }

void Breaker::OnProbed() {
  state_ = State::kClosed;
  was_up_ = true;
  failures_ = 0;
}

void Breaker::OnAnswered() {
  failures_ = 0;
  attempts_ = 0;
}

bool Breaker::OnFailure(TimePoint now) {
  if (state_ != State::kClosed) return false;
  if (failures_++ == 0) first_failure_ = now;
  // Many look-ups that were out during one hiccup fail together: that alone is not a sick node.
  if (failures_ < options_.failures || now - first_failure_ < options_.span) return false;
  Open(now);
  return true;
}

void Breaker::Open(TimePoint now) {
  Duration pause = options_.backoff_max;
  if (attempts_ < 30) pause = std::min(pause, options_.backoff_min * (std::int64_t{1} << attempts_));
  ++attempts_;
  const auto half = pause / 2;
  retry_at_ = now + half + Duration(std::uniform_int_distribution<std::int64_t>(0, half.count())(random_));
  state_ = State::kOpen;
  failures_ = 0;
}

}  // namespace punctual::redis
