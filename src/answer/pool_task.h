// What the worker pool runs, and what it is told about it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "model/batches.h"
#include "punctual/prediction.h"

namespace punctual {

// Why a job will not be run.
enum class DropReason : std::uint8_t {
  kDisplaced,  // one that more wait for took its place
  kTooLate,    // it could not have been ready in time any more
  kStopped,    // the pool stopped and had no worker left for it
};

// A piece of work, owned by whoever waits for it. Each submitted one gets exactly one of Run, Drop, or a Cancel that
// said true; one that ran in another's batch gets none of these, its answer is the other's business.
// May be submitted again once it was taken, dropped or cancelled; it waits in one pool, once, at a time.
class PoolTask {
 public:
  PoolTask() = default;
  virtual ~PoolTask() = default;
  PoolTask(const PoolTask&) = delete;
  PoolTask& operator=(const PoolTask&) = delete;

  // On a worker, with no lock held. `others`: tasks of the same group to be computed along with this one, mostly none.
  virtual void Run(std::span<const std::shared_ptr<PoolTask>> others) = 0;
  // Instead of Run; on a worker or on a thread that submits or stops, with no lock held. May submit.
  virtual void Drop(DropReason reason) = 0;
  // Has been running for far longer than it can need and may never return. At most once a run, on the thread that
  // checks, with no lock held; Run goes on beside it, and may even return before this is called.
  virtual void OnHung() {}

 private:
  friend class JobQueue;
  static constexpr std::uint32_t kNotQueued = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t place_ = kNotQueued;  // in the queue's jobs, so that it is found at once; the queue's lock guards it
};

// The tier of work that nobody waits for (audits, comparisons): it runs when nothing else is queued.
inline constexpr std::size_t kBackgroundTier = std::numeric_limits<std::size_t>::max();

// What 1, 2, 3.. jobs of a group take when they are run as one.
struct BatchCosts {
  static constexpr std::size_t kMost = Batches::kMost;
  std::array<Duration, kMost> expected{};  // of i + 1 jobs together
  std::size_t most = 1;                    // so many at once at most
};

// A task on its way into the queue.
struct Job {
  std::shared_ptr<PoolTask> task;
  std::size_t tier = kBackgroundTier;  // Tier::index
  TimePoint deadline{};                // when the answer must be ready
  Duration expected{};                 // what running it typically takes; work is counted in this
  Duration likely_max{};               // what it hardly ever passes (p99): would it be ready in time?
  std::uint32_t worth = 1;             // how many would be glad of the answer
  bool keep_if_late = false;           // is admitted and run however late: its answer is wanted anyway
  const void* group = nullptr;         // jobs of one group (not null) may run as one
  BatchCosts batch = {};
};

}  // namespace punctual
