// Whether a model is worth asking: a breaker. Failures (errors, outputs that are not finite, runs far over their
// expected time) that come thick open it, one inference that hangs does at once; then the ladder's other rungs answer.
// While it is open one question at a time, after growing pauses, is computed in the background, and the first that
// comes out well closes it again.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/mutex.h"
#include "punctual/prediction.h"

namespace punctual {

// Thread-safe. On the way of a request that goes well it costs one relaxed load.
class ModelHealth {
 public:
  static constexpr double kOpenAt = 3;  // of a score: a failure adds 1, a success takes a tenth away
  static constexpr Duration kFirstPause = std::chrono::milliseconds(500);
  // Trying costs one inference and delays nobody, so it is done often enough that a model that is well again soon
  // serves.
  static constexpr Duration kLongestPause = std::chrono::seconds(2);

  bool open() const { return open_.load(std::memory_order_relaxed); }
  // Open, and the pause is over: true for one caller a pause, who tries and tells what came of it. Never while a run of
  // the model hangs: each try might take another worker.
  bool MayProbe(TimePoint now);

  // What came of a run, which began at `began`. True: this one closed it.
  bool OnSuccess(TimePoint began, TimePoint now);
  // True: this one opened it. What runs beside a run that fails, on other workers, often suffers from the same: it
  // counts once.
  bool OnFailure(TimePoint began, TimePoint now, const std::string& why);
  // A try that says nothing about the model, only about what was asked: the next one may be soon.
  void OnNothingLearnt(TimePoint now);
  bool OnHung(TimePoint now);
  // The run that hung came back after all.
  void OnReturned();

  // For people: why it is open; empty if it is not.
  std::string Summary() const;

 private:
  bool Open(TimePoint now, const std::string& why) REQUIRES_LOCK(mutex_);

  std::atomic<bool> open_ = false, marked_ = false;  // marked: there is a score to be worked off
  mutable Mutex mutex_;
  double score_ GUARDED_BY(mutex_) = 0;
  int hanging_ GUARDED_BY(mutex_) = 0;
  Duration pause_ GUARDED_BY(mutex_) = kFirstPause;
  TimePoint probe_at_ GUARDED_BY(mutex_){};
  TimePoint closed_at_ GUARDED_BY(mutex_){};
  TimePoint failed_at_ GUARDED_BY(mutex_){};  // when the last failure that counted was seen
  std::string why_ GUARDED_BY(mutex_);
};

// One run, of which two threads tell in any order: the one that computes that it is back, the watch over workers that
// it hangs. Thread-safe.
class WatchedRun {
 public:
  // True: this one opened it.
  bool OnHung(ModelHealth& health, TimePoint now) {
    const bool opened = health.OnHung(now);
    if (state_.exchange(State::kHangs) == State::kReturned) health.OnReturned();
    return opened;
  }
  // May be told more than once.
  void OnReturned(ModelHealth& health) {
    if (state_.exchange(State::kReturned) == State::kHangs) health.OnReturned();
  }

 private:
  enum class State : std::uint8_t { kUnknown, kHangs, kReturned };
  std::atomic<State> state_ = State::kUnknown;
};

}  // namespace punctual
