// The worker pool: threads that run what is too long for the asker's own thread. Who is let in and who is next, by tier
// and deadline, is decided by JobQueue (answer/job_queue.h); this is the lock and the threads around it.
//
// A worker whose task does not return is lost: others take its place, as far as there are spare ones, and the pool goes
// on. Nothing waits for it, not even the pool's end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "answer/task_pool.h"
#include "base/clock.h"

namespace punctual {

struct PoolOptions {
  int workers = 1;                                // threads; >= 1
  std::size_t queue_limit = 4096;                 // jobs of each tier, and of the background, that wait; beyond: kFull
  std::vector<double> weights = {1};              // by Tier::index, each > 0: the tier's share of the workers' time
  std::vector<int> cores = {};                    // worker i runs on cores[i % size] alone; empty: anywhere
  int nice = 0;                                   // of the workers, 0 to 19: how far they come after other threads
  int spare_workers = 0;                          // threads that may be started in the place of lost ones
  Duration hung_after = std::chrono::seconds(1);  // a job hangs when it takes longer, and than 50 times likely_max
  Duration stop_patience = std::chrono::seconds(2);  // that the end gives to hung jobs; real time
};

// Since the pool was made. Of jobs, except where said.
struct PoolCounters {
  std::uint64_t full = 0;          // refused: no room
  std::uint64_t refused_late = 0;  // refused: would not have been ready in time
  std::uint64_t displaced = 0;     // dropped for one that more wait for
  std::uint64_t dropped_late = 0;  // dropped, after they had waited: not ready in time any more
  std::uint64_t cancelled = 0;
  std::uint64_t raised = 0;
  std::uint64_t run = 0;       // taken by a worker, those below included
  std::uint64_t batched = 0;   // run along with another
  std::uint64_t hung = 0;      // found to hang
  std::uint64_t replaced = 0;  // workers started in the place of lost ones
};

// Thread-safe, but for Stop and the destructor. A thread runs one task, or one batch, at a time.
class WorkerPool final : public TaskPool {
 public:
  // The clock is asked when a worker takes a job; it outlives the pool. What the pool abandons does not ask it.
  WorkerPool(PoolOptions options, const Clock& clock);
  // Stop(). An owner whose tasks touch what it owns calls Stop itself, to know whether that may go.
  ~WorkerPool() override;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  Admission Submit(Job job, TimePoint now) override;
  Duration PredictedWait(std::size_t tier, TimePoint deadline, Duration expected) const override;
  bool Cancel(const PoolTask& task) override;
  bool Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth) override;

  // Finds jobs that hang, calls their OnHung, and replaces their workers. To be called every 100 ms or so.
  void CheckHung(TimePoint now);

  // Runs what is queued, as far as it is in time, and ends the threads. False: some hang, and after stop_patience they
  // were abandoned, so that what their tasks touch must live on for ever. The pool itself may go. Later calls give the
  // same.
  bool Stop();

  std::size_t queued() const;
  // Workers as configured; while some are lost and not replaced, fewer work.
  int workers() const;
  // Workers whose job hangs now, replaced or not.
  int lost() const;
  PoolCounters counters() const;
  // What it costs to get a sleeping worker to run something: the median of a few tries, measured now. Takes some 20 ms.
  Duration MeasureHandOver();

 private:
  struct Core;
  // Shared with the threads: what an abandoned one touches when it returns.
  const std::shared_ptr<Core> core_;
};

}  // namespace punctual
