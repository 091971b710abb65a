#include "model/health.h"

#include <algorithm>

namespace punctual {

namespace {

constexpr double kWorkedOff = 0.9;  // what a success leaves of the score
constexpr double kForgotten = 0.1;
constexpr Duration kAgain = std::chrono::milliseconds(50);
constexpr double kAfterProbe = 2;                     // of the score: it opens again at the next failure
constexpr Duration kWell = std::chrono::seconds(10);  // closed for so long: the next pause is short again

}  // namespace

bool ModelHealth::MayProbe(TimePoint now) {
  if (!open()) return false;
  MutexLock lock(mutex_);
  if (!open() || hanging_ > 0 || now < probe_at_) return false;
  probe_at_ = now + pause_;  // if nothing ever comes of this one
  return true;
}

bool ModelHealth::OnSuccess(TimePoint began, TimePoint now) {
  if (!marked_.load(std::memory_order_relaxed)) return false;
  MutexLock lock(mutex_);
  if (open()) {
    // What began before it opened says nothing; whoever hangs still may take the next one along.
    if (began < failed_at_ || hanging_ > 0) return false;
    score_ = kAfterProbe;
    closed_at_ = now;
    open_.store(false, std::memory_order_relaxed);
    return true;
  }
  score_ *= kWorkedOff;
  if (score_ >= kForgotten) return false;
  score_ = 0;
  marked_.store(false, std::memory_order_relaxed);
  return false;
}

bool ModelHealth::OnFailure(TimePoint began, TimePoint now, const std::string& why) {
  MutexLock lock(mutex_);
  if (began < failed_at_) return false;
  failed_at_ = now;
  marked_.store(true, std::memory_order_relaxed);
  if (open()) {
    // A probe: the pauses grow.
    pause_ = std::min(2 * pause_, kLongestPause);
    probe_at_ = now + pause_;
    why_ = why;
    return false;
  }
  score_ += 1;
  return score_ >= kOpenAt && Open(now, why);
}

void ModelHealth::OnNothingLearnt(TimePoint now) {
  if (!open()) return;
  MutexLock lock(mutex_);
  probe_at_ = std::min(probe_at_, now + kAgain);
}

bool ModelHealth::OnHung(TimePoint now) {
  MutexLock lock(mutex_);
  ++hanging_;
  failed_at_ = now;
  marked_.store(true, std::memory_order_relaxed);
  return !open() && Open(now, "an inference hangs");
}

void ModelHealth::OnReturned() {
  MutexLock lock(mutex_);
  --hanging_;
}

bool ModelHealth::Open(TimePoint now, const std::string& why) {
  if (now - closed_at_ > kWell)
    pause_ = kFirstPause;
  else
    pause_ = std::min(2 * pause_, kLongestPause);
  probe_at_ = now + pause_;
  why_ = why;
  open_.store(true, std::memory_order_relaxed);
  return true;
}

std::string ModelHealth::Summary() const {
  MutexLock lock(mutex_);
  return open() ? why_ : "";
}

}  // namespace punctual
