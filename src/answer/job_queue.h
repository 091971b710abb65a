// The waiting jobs of the worker pool, and every decision about them: who is let in, who is next, who is too late. No
// thread, no lock, no clock, so that tests can drive it.
//
// Between tiers, the workers' time is shared by weight (start-time fair queueing over *expected* work; Goyal, Vin and
// Cheng 1996): each tier has a virtual time, which rises by work / weight as its jobs are taken, and the tier that is
// furthest behind is next. A tier that was idle starts at the others' present time: it collects no credit. What a tier
// does not need of its share the others get. So a premium tier that asks for less than its share goes before everyone
// in practice, and one that asks for more leaves a basic tier its share all the same. Within a tier, the earliest
// deadline is first. Background work is next when no tier has any.
//
// A job is let in if it would be ready in time, predicted from the work that would go before it: its own tier's with
// earlier deadlines; of each other tier what waits and what is likely to come meanwhile, going by the last 50 ms, but
// at most what the weights allow between; and what the workers are busy with. That is typical work; the job's own part
// is taken at its likely maximum.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "answer/deadline_queue.h"
#include "answer/pool_task.h"
#include "answer/running_work.h"

namespace punctual {

enum class Admission : std::uint8_t {
  kQueued,
  kFull,     // its tier's queue is at its limit
  kTooLate,  // it would not be ready by its deadline
};

// What a worker takes at once: one task, or several of one group.
struct Batch {
  std::vector<std::shared_ptr<PoolTask>> tasks;
  Duration expected{};    // of all together
  Duration likely_max{};  // as well
};

// Not thread-safe. Of all functions, time is given by the caller and never runs backwards.
class JobQueue {
 public:
  // `weights` by Tier::index, each > 0, at least one; at most `limit` jobs of each tier, and of the background, wait.
  JobQueue(const std::vector<double>& weights, std::size_t limit);

  // REQUIRES: job.tier has a weight or is kBackgroundTier; job.task does not wait here already. If the answer would be
  // too late but for a job of the tier that less than half as many wait for, that one leaves and comes back in
  // `displaced`. A job that was not queued stays the caller's.
  Admission Submit(Job&& job, TimePoint now, const RunningWork& running, std::shared_ptr<PoolTask>& displaced);
  // How long a job like this would wait before it begins; RunningWork::kNever if there are no workers.
  Duration PredictedWait(std::size_t tier, TimePoint deadline, Duration expected, TimePoint now,
                         const RunningWork& running) const;

  // Adds to `late` the next jobs of each tier that could not be ready in time any more; they leave the queue.
  void TakeLate(TimePoint now, std::vector<std::shared_ptr<PoolTask>>& late);
  // The next job, and others of its group: as many as take the least time each, if that is much less than alone and
  // all are expected to be ready in time. `idle_workers`: others that could take a job now, for whom one each is left.
  // False: nothing waits. REQUIRES: TakeLate at the same time found nothing.
  bool Take(TimePoint now, std::size_t idle_workers, Batch& batch);
  // Everything leaves.
  void TakeAll(std::vector<std::shared_ptr<PoolTask>>& all);

  // The job leaves the queue and comes back. Null: it does not wait here.
  std::shared_ptr<PoolTask> Cancel(const PoolTask& task);
  // Someone else waits for the same answer: the job moves to the earlier deadline, to the other tier if it would begin
  // sooner there, and is worth more. It is too late only when it is for all who wait. False: it does not wait here.
  bool Raise(const PoolTask& task, std::size_t tier, TimePoint deadline, std::uint32_t add_worth, TimePoint now,
             const RunningWork& running);

  std::size_t size() const { return jobs_.size() - free_.size(); }
  // The expected work of all that wait in the tier.
  Duration work(std::size_t tier) const { return tiers_[IndexOf(tier)].queue.work(); }

 private:
  struct Waiting {
    Job job;
    std::size_t tier = 0;  // index in tiers_
    std::uint64_t order = 0;
    TimePoint last_deadline{};  // the latest of those who wait; job.deadline is the earliest
  };
  struct TierState {
    double weight = 1;
    double virtual_time = 0;  // expected nanoseconds taken / weight
    Duration taken{};         // work taken since rates_since_
    double rate = 0;          // work taken a time, in the window before that: how many workers it keeps busy
    DeadlineQueue queue;
  };

  std::size_t IndexOf(std::size_t tier) const { return tier == kBackgroundTier ? background() : tier; }
  std::size_t background() const { return tiers_.size() - 1; }
  static DeadlineQueue::Entry EntryOf(const Waiting& waiting, std::uint32_t place);
  static bool IsLate(const Waiting& waiting, TimePoint now);
  const Waiting* Find(const PoolTask& task) const;

  void Insert(std::uint32_t place);
  std::shared_ptr<PoolTask> Remove(std::uint32_t place);
  // The work that goes before a deadline in its own tier, less what will be dropped.
  Duration WorkBefore(std::size_t tier, TimePoint deadline, TimePoint now) const;
  // When something of the tier begins that has `ahead` of its own tier before it, if the other tiers' work goes on
  // coming in for `horizon`.
  Duration WaitBehind(std::size_t tier, Duration ahead, Duration expected, Duration horizon, TimePoint now,
                      const RunningWork& running) const;
  // Whether that is within `longest_wait`.
  bool BeginsWithin(Duration longest_wait, std::size_t tier, Duration ahead, Duration expected, TimePoint now,
                    const RunningWork& running) const;
  // The job of the same tier to displace, if there is one whose leaving makes room. Gives its place.
  std::uint32_t FindLesser(const Job& job, std::size_t tier, Duration ahead, Duration longest_wait, TimePoint now,
                           const RunningWork& running) const;
  void UpdateRates(TimePoint now);
  std::size_t NextTier() const;
  // Adds to `places`, which has the first, others that pay to be run with it, `most` in all.
  void FillBatch(TimePoint now, std::size_t most, Batch& batch, const Waiting& first,
                 std::vector<std::uint32_t>& places) const;

  const std::size_t limit_;
  std::vector<TierState> tiers_;  // the last is the background
  double virtual_now_ = 0;        // the virtual time at which the last job was taken
  TimePoint rates_since_{};
  std::vector<Waiting> jobs_;  // by place
  std::vector<std::uint32_t> free_;
  std::uint64_t next_order_ = 0;
  // Of Take; kept so that it allocates nothing.
  std::vector<std::uint32_t> taken_;
  std::vector<std::size_t> tier_order_;
};

}  // namespace punctual
