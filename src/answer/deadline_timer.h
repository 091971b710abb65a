// Calls waiting requests when their answer-by comes. One thread; its own lateness is measured.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "telemetry/registry.h"

namespace punctual {

// What waits for a time.
class TimerTarget {
 public:
  virtual ~TimerTarget() = default;
  // On the timer's thread; must not block.
  virtual void OnTimeUp() = 0;
  // True when OnTimeUp would do nothing any more. Any thread.
  virtual bool finished() const = 0;
};

// Thread-safe.
class DeadlineTimer {
 public:
  // `lateness` receives, for each call, how long after its time it came.
  explicit DeadlineTimer(telemetry::DurationHistogram& lateness);
  // Calls what is left at once, then stops.
  ~DeadlineTimer();
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  // A time that is over already means now. Targets that finish before their time are let go some time later, without a
  // call.
  void Add(TimePoint when, std::shared_ptr<TimerTarget> target);

 private:
  struct Entry {
    TimePoint when;
    std::shared_ptr<TimerTarget> target;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const { return a.when > b.when; }
  };
  void Work();

  telemetry::DurationHistogram& lateness_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<Entry> heap_ GUARDED_BY(mutex_);
  TimePoint sleeping_until_ GUARDED_BY(mutex_) = TimePoint::max();
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace punctual
