#include "answer/deadline_timer.h"

#include <sys/prctl.h>

#include <algorithm>

#include "base/threads.h"

namespace punctual {

namespace {

constexpr std::size_t kAtOnce = 64;

}  // namespace

DeadlineTimer::DeadlineTimer(telemetry::DurationHistogram& lateness)
    : lateness_(lateness), thread_([this] { Work(); }) {}

DeadlineTimer::~DeadlineTimer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void DeadlineTimer::Add(TimePoint when, std::shared_ptr<TimerTarget> target) {
  bool wake = false;
  // A time that is over cannot be kept; what it says about lateness counts from now.
  when = std::max(when, std::chrono::steady_clock::now());
  {
    MutexLock lock(mutex_);
    heap_.push_back({when, std::move(target)});
    std::push_heap(heap_.begin(), heap_.end(), Later());
    wake = when < sleeping_until_;
  }
  if (wake) changed_.NotifyOne();
}

void DeadlineTimer::Work() {
  NameThisThread("deadlines");
  // By default the kernel may wake a sleeper 50 µs late, to save wake-ups.
  ::prctl(PR_SET_TIMERSLACK, 1ul);
  std::vector<Entry> due;
  for (;;) {
    {
      MutexLock lock(mutex_);
      for (;;) {
        const TimePoint now = std::chrono::steady_clock::now();
        // Most requests are answered long before: dropping them here, before their time, saves a wake-up each.
        // A few at a time: those who add wait for the lock.
        while (due.size() < kAtOnce && !heap_.empty() &&
               (stopping_ || heap_.front().when <= now || heap_.front().target->finished())) {
          std::pop_heap(heap_.begin(), heap_.end(), Later());
          due.push_back(std::move(heap_.back()));
          heap_.pop_back();
        }
        if (!due.empty() || stopping_) break;
        sleeping_until_ = heap_.empty() ? TimePoint::max() : heap_.front().when;
        if (heap_.empty())
          changed_.Wait(mutex_);
        else
          changed_.WaitUntil(mutex_, sleeping_until_);
        sleeping_until_ = TimePoint::min();  // awake: nobody needs to wake us
      }
      if (due.empty() && stopping_) return;
    }
    for (Entry& entry : due) {
      if (entry.target->finished()) continue;
      lateness_.Record(std::max(Duration::zero(), std::chrono::steady_clock::now() - entry.when));
      entry.target->OnTimeUp();
    }
    due.clear();
  }
}

}  // namespace punctual
