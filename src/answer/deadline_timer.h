// Calls waiting requests when their answer-by comes. One thread; its own lateness is measured.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "answer/timer.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "telemetry/registry.h"

namespace punctual {

// Thread-safe.
class DeadlineTimer final : public Timer {
 public:
  // `lateness` receives, for each call, how long after its time it came.
  explicit DeadlineTimer(telemetry::DurationHistogram& lateness);
  // Calls what is left at once, then stops.
  ~DeadlineTimer() override;
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;

  void Add(TimePoint when, std::shared_ptr<TimerTarget> target) override;

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
