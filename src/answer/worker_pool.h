// The worker pool: threads that run what is too long for the asker's own thread, earliest deadline first.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace punctual {

// Thread-safe. One task a thread at a time; tasks must not block on other tasks.
class WorkerPool {
 public:
  // `workers` >= 1 threads; at most `queue_limit` tasks wait.
  WorkerPool(int workers, std::size_t queue_limit);
  // Runs what is queued, then stops.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, and nothing is kept: the queue is full, or the pool is ending.
  bool Submit(TimePoint deadline, std::function<void()> task);

  std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }
  int workers() const { return static_cast<int>(threads_.size()); }
  // What it costs to get a sleeping worker to run something: the median of a few tries, measured now. Takes some 20 ms.
  Duration MeasureHandOver();

 private:
  struct Task {
    TimePoint deadline;
    std::uint64_t order;  // first come, first served among equal deadlines
    std::function<void()> run;
  };
  struct Later {
    bool operator()(const Task& a, const Task& b) const {
      return a.deadline != b.deadline ? a.deadline > b.deadline : a.order > b.order;
    }
  };
  void Work(int number);

  const std::size_t queue_limit_;
  Mutex mutex_;
  CondVar ready_;
  std::vector<Task> heap_ GUARDED_BY(mutex_);
  std::uint64_t next_order_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::atomic<std::size_t> queued_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace punctual
