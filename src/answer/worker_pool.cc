#include "answer/worker_pool.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/threads.h"

namespace punctual {

namespace {

// How many times its likely maximum a job may take before it counts as hung.
constexpr int kHungFactor = 50;
constexpr Duration kStopLook = std::chrono::milliseconds(20);

using Tasks = std::vector<std::shared_ptr<PoolTask>>;

void DropAll(Tasks& tasks, DropReason reason) {
  for (const auto& task : tasks) task->Drop(reason);
  tasks.clear();
}

// Says when it was run.
class HandOverProbe final : public PoolTask {
 public:
  void Run(std::span<const std::shared_ptr<PoolTask>>) override { begun_.set_value(std::chrono::steady_clock::now()); }
  void Drop(DropReason) override {}
  std::future<TimePoint> when() { return begun_.get_future(); }

 private:
  std::promise<TimePoint> begun_;
};

}  // namespace

struct WorkerPool::Core {
  Core(PoolOptions with, const Clock& by)
      : options(std::move(with)), clock(by), queue(options.weights, options.queue_limit) {}

  // A thread for a new worker. `cores`: where it may run; empty: anywhere. False: the system has no thread for us.
  static bool StartWorker(const std::shared_ptr<Core>& core, std::vector<int> cores) REQUIRES_LOCK(core->mutex);
  // Replaces lost workers while there are spare ones.
  static void ReplaceLost(const std::shared_ptr<Core>& core) REQUIRES_LOCK(core->mutex);
  static void Work(const std::shared_ptr<Core>& core, std::size_t number);

  // Waits for something to do: late jobs to drop (first), or a batch to run. False: the pool is ending.
  bool Next(std::size_t number, Batch& batch, Tasks& late);
  // What the worker ran has returned. True: it hung and was replaced, so that there is one too many now.
  bool End(std::size_t number);
  void Leave(std::size_t number);
  void JoinEnded();
  void CountQueued() REQUIRES_LOCK(mutex) { queued.store(queue.size(), std::memory_order_relaxed); }

  struct Worker {
    std::thread thread;
    const Batch* batch = nullptr;  // what it runs
    bool replaced = false;         // it is lost, and another has been started for it
  };

  const PoolOptions options;
  const Clock& clock;
  std::atomic<std::size_t> queued = 0;
  mutable Mutex mutex;
  CondVar ready;  // there is something to do
  CondVar left;   // a worker has left
  JobQueue queue GUARDED_BY(mutex);
  RunningWork running GUARDED_BY(mutex);
  std::map<std::size_t, Worker> workers GUARDED_BY(mutex);  // by number
  std::vector<std::thread> ended GUARDED_BY(mutex);         // of workers that have left, to be joined
  PoolCounters counters GUARDED_BY(mutex);
  int idle GUARDED_BY(mutex) = 0;      // workers that wait
  int replaced GUARDED_BY(mutex) = 0;  // lost workers that another was started for
  bool stopping GUARDED_BY(mutex) = false;
  bool abandoned GUARDED_BY(mutex) = false;
};

bool WorkerPool::Core::StartWorker(const std::shared_ptr<Core>& core, std::vector<int> cores) {
  const std::size_t number = core->running.Add();
  try {
    core->workers[number].thread = std::thread([core, number, on = std::move(cores)] {
      NameThisThread("worker-" + std::to_string(number));
      PinThisThread(on);
      if (core->options.nice != 0) NiceThisThread(core->options.nice);
      Work(core, number);
    });
  } catch (const std::system_error&) {
    core->workers.erase(number);
    core->running.Remove(number);
    return false;
  }
  return true;
}

void WorkerPool::Core::ReplaceLost(const std::shared_ptr<Core>& core) {
  if (core->stopping) return;
  for (auto& [number, worker] : core->workers) {
    if (core->replaced >= core->options.spare_workers) break;
    if (worker.replaced || !core->running.is_lost(number)) continue;
    worker.replaced = true;
    ++core->replaced;
    ++core->counters.replaced;
  }
  // On any of the pool's cores: on its own, a lost one may be spinning. What cannot be started now is at the next look.
  while (core->running.count() < core->options.workers + core->replaced)
    if (!StartWorker(core, core->options.cores)) return;
}

void WorkerPool::Core::Work(const std::shared_ptr<Core>& core, std::size_t number) {
  Batch batch;
  Tasks late;
  while (core->Next(number, batch, late)) {
    DropAll(late, DropReason::kTooLate);
    if (batch.tasks.empty()) continue;
    batch.tasks.front()->Run(std::span<const std::shared_ptr<PoolTask>>(batch.tasks).subspan(1));
    const bool is_one_too_many = core->End(number);
    batch.tasks.clear();  // the last of a task may go here, and with it much else: under no lock
    if (is_one_too_many) break;
  }
  core->Leave(number);
}

bool WorkerPool::Core::Next(std::size_t number, Batch& batch, Tasks& late) {
  MutexLock lock(mutex);
  for (;;) {
    if (queue.size() != 0) {
      const TimePoint now = clock.Now();
      queue.TakeLate(now, late);
      counters.dropped_late += late.size();
      if (late.empty() && queue.Take(now, static_cast<std::size_t>(idle), batch)) {
        running.Begin(number, now, batch.expected, std::max(kHungFactor * batch.likely_max, options.hung_after));
        workers[number].batch = &batch;
        counters.run += batch.tasks.size();
        counters.batched += batch.tasks.size() - 1;
      }
      CountQueued();
      return true;
    }
    if (stopping) return false;
    ++idle;
    ready.Wait(mutex);
    --idle;
  }
}

bool WorkerPool::Core::End(std::size_t number) {
  MutexLock lock(mutex);
  running.End(number);
  const auto worker = workers.find(number);
  if (worker == workers.end()) return true;  // abandoned
  worker->second.batch = nullptr;
  if (!worker->second.replaced) return false;
  --replaced;
  return true;
}

void WorkerPool::Core::Leave(std::size_t number) {
  MutexLock lock(mutex);
  running.Remove(number);
  if (const auto worker = workers.find(number); worker != workers.end()) {
    ended.push_back(std::move(worker->second.thread));
    workers.erase(worker);
  }
  left.NotifyAll();
}

void WorkerPool::Core::JoinEnded() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex);
    threads.swap(ended);
  }
  for (std::thread& thread : threads) thread.join();
}

WorkerPool::WorkerPool(PoolOptions options, const Clock& clock)
    : core_(std::make_shared<Core>(std::move(options), clock)) {
  const std::vector<int>& cores = core_->options.cores;
  MutexLock lock(core_->mutex);
  for (std::size_t i = 0; i < static_cast<std::size_t>(core_->options.workers); ++i)
    Core::StartWorker(core_, cores.empty() ? cores : std::vector<int>{cores[i % cores.size()]});
}

WorkerPool::~WorkerPool() { Stop(); }

Admission WorkerPool::Submit(Job job, TimePoint now) {
  std::shared_ptr<PoolTask> displaced;
  Admission admission = Admission::kFull;
  bool wake = false;
  {
    MutexLock lock(core_->mutex);
    if (!core_->stopping) admission = core_->queue.Submit(std::move(job), now, core_->running, displaced);
    core_->counters.full += admission == Admission::kFull ? 1 : 0;
    core_->counters.refused_late += admission == Admission::kTooLate ? 1 : 0;
    core_->counters.displaced += displaced != nullptr ? 1 : 0;
    core_->CountQueued();
    wake = admission == Admission::kQueued && core_->idle > 0;
  }
  if (wake) core_->ready.NotifyOne();
  if (displaced != nullptr) displaced->Drop(DropReason::kDisplaced);
  return admission;
}

Duration WorkerPool::PredictedWait(std::size_t tier, TimePoint deadline, Duration expected) const {
  const TimePoint now = core_->clock.Now();
  MutexLock lock(core_->mutex);
  return core_->queue.PredictedWait(tier, deadline, expected, now, core_->running);
}

bool WorkerPool::Cancel(const PoolTask& task) {
  std::shared_ptr<PoolTask> cancelled;  // goes when the lock is let go
  MutexLock lock(core_->mutex);
  cancelled = core_->queue.Cancel(task);
  if (cancelled == nullptr) return false;
  ++core_->counters.cancelled;
  core_->CountQueued();
  return true;
}

bool WorkerPool::Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth) {
  const TimePoint now = core_->clock.Now();
  MutexLock lock(core_->mutex);
  if (!core_->queue.Raise(task, tier, deadline, add_worth, now, core_->running)) return false;
  ++core_->counters.raised;
  return true;
}

void WorkerPool::CheckHung(TimePoint now) {
  Tasks hung;
  {
    MutexLock lock(core_->mutex);
    while (const auto number = core_->running.FindHung(now)) {
      const Tasks& tasks = core_->workers[*number].batch->tasks;
      hung.insert(hung.end(), tasks.begin(), tasks.end());
      core_->counters.hung += tasks.size();
    }
    Core::ReplaceLost(core_);
  }
  core_->JoinEnded();
  for (const auto& task : hung) task->OnHung();
}

bool WorkerPool::Stop() {
  {
    MutexLock lock(core_->mutex);
    core_->stopping = true;
  }
  core_->ready.NotifyAll();
  const TimePoint until = std::chrono::steady_clock::now() + core_->options.stop_patience;
  for (bool waiting = true; waiting;) {
    CheckHung(core_->clock.Now());
    MutexLock lock(core_->mutex);
    const TimePoint now = std::chrono::steady_clock::now();
    if (now >= until && core_->running.lost() == core_->running.count()) {
      // Their threads cannot be ended; what they touch of ours lives on in the core.
      core_->abandoned |= !core_->workers.empty();
      for (auto& [number, worker] : core_->workers) worker.thread.detach();
      core_->workers.clear();
    }
    waiting = !core_->workers.empty();
    if (waiting) core_->left.WaitUntil(core_->mutex, now + kStopLook);
  }
  core_->JoinEnded();
  Tasks rest;
  bool all_left = false;
  {
    MutexLock lock(core_->mutex);
    core_->queue.TakeAll(rest);
    core_->CountQueued();
    all_left = !core_->abandoned;
  }
  DropAll(rest, DropReason::kStopped);
  return all_left;
}

std::size_t WorkerPool::queued() const { return core_->queued.load(std::memory_order_relaxed); }

int WorkerPool::workers() const { return core_->options.workers; }

int WorkerPool::lost() const {
  MutexLock lock(core_->mutex);
  return core_->running.lost();
}

PoolCounters WorkerPool::counters() const {
  MutexLock lock(core_->mutex);
  return core_->counters;
}

Duration WorkerPool::MeasureHandOver() {
  std::vector<Duration> costs;
  for (int i = 0; i < 21; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // so that the workers sleep, as they mostly do
    const auto probe = std::make_shared<HandOverProbe>();
    std::future<TimePoint> when = probe->when();
    const TimePoint submitted = std::chrono::steady_clock::now();
    if (Submit({.task = probe, .keep_if_late = true}, core_->clock.Now()) != Admission::kQueued) continue;
    // Workers that are busy for longer say nothing about sleeping ones.
    if (when.wait_for(std::chrono::milliseconds(100)) != std::future_status::ready) continue;
    costs.push_back(when.get() - submitted);
  }
  if (costs.empty()) return {};
  std::nth_element(costs.begin(), costs.begin() + static_cast<long>(costs.size() / 2), costs.end());
  return costs[costs.size() / 2];
}

}  // namespace punctual
