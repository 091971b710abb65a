// What runs tasks that are too long for the asker's own thread, as those who have such tasks see it.
#pragma once

#include "answer/job_queue.h"

namespace punctual {

// Thread-safe. Tasks must not wait for other tasks; they may submit and cancel. WorkerPool is the one that engines
// have.
class TaskPool {
 public:
  virtual ~TaskPool() = default;
  // As JobQueue::Submit; `now` is the clock's. May call Drop(kDisplaced) of another task. kFull also when stopping.
  virtual Admission Submit(Job job, TimePoint now) = 0;
  // How long a job like this would wait now before it begins; RunningWork::kNever if every worker is lost.
  virtual Duration PredictedWait(std::size_t tier, TimePoint deadline, Duration expected) const = 0;
  // As in JobQueue. REQUIRES: the task lives. False: it does not wait (any more), and nothing changes.
  virtual bool Cancel(const PoolTask& task) = 0;
  virtual bool Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth) = 0;
};

}  // namespace punctual
