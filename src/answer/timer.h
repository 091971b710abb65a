// What calls waiting requests when their time comes, as they see it.
#pragma once

#include <memory>

#include "punctual/prediction.h"

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

// Thread-safe. DeadlineTimer is the one that engines have.
class Timer {
 public:
  virtual ~Timer() = default;
  // A time that is over already means now. Targets that finish before their time are let go some time later, without a
  // call.
  virtual void Add(TimePoint when, std::shared_ptr<TimerTarget> target) = 0;
};

}  // namespace punctual
