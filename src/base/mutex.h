// A mutex that clang's thread-safety analysis understands: it checks GUARDED_BY at compile time (script/lint,
// script/test).
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define PUNCTUAL_ATTRIBUTE(x) __attribute__((x))
#else
#define PUNCTUAL_ATTRIBUTE(x)
#endif
#define GUARDED_BY(x) PUNCTUAL_ATTRIBUTE(guarded_by(x))
#define REQUIRES_LOCK(x) PUNCTUAL_ATTRIBUTE(requires_capability(x))

namespace punctual {

class PUNCTUAL_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() PUNCTUAL_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() PUNCTUAL_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class PUNCTUAL_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) PUNCTUAL_ATTRIBUTE(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() PUNCTUAL_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits with a Mutex that the caller holds. No predicate forms: the analysis cannot see into a lambda, so callers loop.
class CondVar {
 public:
  void Wait(Mutex& mutex) REQUIRES_LOCK(mutex) { condition_.wait(mutex); }
  // False when `until` (a std::chrono time point) has passed.
  template <class Time>
  bool WaitUntil(Mutex& mutex, Time until) REQUIRES_LOCK(mutex) {
    return condition_.wait_until(mutex, until) == std::cv_status::no_timeout;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace punctual
