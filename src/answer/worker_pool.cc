#include "answer/worker_pool.h"

#include <algorithm>
#include <future>

#include "base/threads.h"

namespace punctual {

WorkerPool::WorkerPool(int workers, std::size_t queue_limit) : queue_limit_(queue_limit) {
  for (int i = 0; i < std::max(1, workers); ++i) threads_.emplace_back([this, i] { Work(i); });
}

WorkerPool::~WorkerPool() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  ready_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::Submit(TimePoint deadline, std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    if (stopping_ || heap_.size() >= queue_limit_) return false;
    heap_.push_back({deadline, next_order_++, std::move(task)});
    std::push_heap(heap_.begin(), heap_.end(), Later());
    queued_.store(heap_.size(), std::memory_order_relaxed);
  }
  ready_.NotifyOne();
  return true;
}

void WorkerPool::Work(int number) {
  NameThisThread("worker-" + std::to_string(number));
  for (;;) {
    std::function<void()> run;
    {
      MutexLock lock(mutex_);
      while (heap_.empty() && !stopping_) ready_.Wait(mutex_);
      if (heap_.empty()) return;
      std::pop_heap(heap_.begin(), heap_.end(), Later());
      run = std::move(heap_.back().run);
      heap_.pop_back();
      queued_.store(heap_.size(), std::memory_order_relaxed);
    }
    run();
  }
}

Duration WorkerPool::MeasureHandOver() {
  std::vector<Duration> costs;
  for (int i = 0; i < 21; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // so that the workers sleep, as they mostly do
    // Shared: the worker may still be inside set_value when we have seen its value.
    auto begun = std::make_shared<std::promise<TimePoint>>();
    std::future<TimePoint> when = begun->get_future();
    const TimePoint submitted = std::chrono::steady_clock::now();
    if (!Submit(submitted, [begun] { begun->set_value(std::chrono::steady_clock::now()); })) continue;
    costs.push_back(when.get() - submitted);
  }
  if (costs.empty()) return {};
  std::nth_element(costs.begin(), costs.begin() + static_cast<long>(costs.size() / 2), costs.end());
  return costs[costs.size() / 2];
}

}  // namespace punctual
