#include "answer/worker_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <random>
#include <thread>

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;

class TestTask final : public PoolTask {
 public:
  explicit TestTask(std::function<void(std::size_t)> run = {}) : run_(std::move(run)) {}
  void Run(std::span<const std::shared_ptr<PoolTask>> others) override {
    if (run_) run_(others.size());
    ++runs;
  }
  void Drop(DropReason reason) override {
    last_reason = reason;
    ++drops;
  }
  void OnHung() override { ++hung; }

  std::atomic<int> runs = 0, drops = 0, hung = 0;
  std::atomic<DropReason> last_reason{};

 private:
  const std::function<void(std::size_t)> run_;
};

// A task that a worker is with until it is let go; at the latest when this goes.
class Hold {
 public:
  Hold() {
    task_ = std::make_shared<TestTask>([begun = begun_, go = go_.get_future().share()](std::size_t) {
      begun->set_value();
      go.wait();
    });
  }
  ~Hold() { LetGo(); }
  const std::shared_ptr<TestTask>& task() const { return task_; }
  void AwaitBegun() { begun_->get_future().wait(); }
  void LetGo() {
    if (!std::exchange(went_, true)) go_.set_value();
  }

 private:
  // Shared: the worker may still be inside set_value when we have seen its value.
  std::shared_ptr<std::promise<void>> begun_ = std::make_shared<std::promise<void>>();
  std::promise<void> go_;
  bool went_ = false;
  std::shared_ptr<TestTask> task_;
};

class WorkerPoolTest : public ::testing::Test {
 protected:
  TimePoint In(int ms) { return clock_.Now() + milliseconds(ms); }
  Job Of(std::shared_ptr<PoolTask> task, int deadline_ms = 1000, std::size_t tier = 0) {
    Job job{std::move(task), tier, In(deadline_ms)};
    job.expected = job.likely_max = milliseconds(1);
    return job;
  }
  Admission Submit(WorkerPool& pool, Job job) { return pool.Submit(std::move(job), clock_.Now()); }
  // The pool's only worker is with `hold` from now on.
  void Occupy(WorkerPool& pool, Hold& hold) {
    EXPECT_EQ(Submit(pool, Of(hold.task())), Admission::kQueued);
    hold.AwaitBegun();
  }
  template <class Condition>
  static void Await(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }

  FakeClock clock_;
};

TEST_F(WorkerPoolTest, RunsTheEarliestDeadlineFirstAndWhatIsQueuedBeforeItEnds) {
  std::vector<int> order;
  {
    WorkerPool pool({}, clock_);
    Hold hold;
    Occupy(pool, hold);
    for (const int ms : {50, 15, 25, 15, 50}) {
      const auto task = std::make_shared<TestTask>([&order, ms](std::size_t) { order.push_back(ms); });
      EXPECT_EQ(Submit(pool, Of(task, ms)), Admission::kQueued);
    }
    EXPECT_EQ(pool.queued(), 5u);
    hold.LetGo();
    EXPECT_TRUE(pool.Stop());
    EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>())), Admission::kFull);
    EXPECT_EQ(pool.counters().run, 6u);
  }
  EXPECT_THAT(order, ElementsAre(15, 15, 25, 50, 50));
}

TEST_F(WorkerPoolTest, AFullQueueRefuses) {
  WorkerPool pool({.queue_limit = 2}, clock_);
  Hold hold;
  Occupy(pool, hold);
  EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>())), Admission::kQueued);
  EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>())), Admission::kQueued);
  EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>())), Admission::kFull);
  EXPECT_EQ(pool.counters().full, 1u);
}

TEST_F(WorkerPoolTest, WhatCouldNotBeReadyIsRefused) {
  WorkerPool pool({}, clock_);
  Hold hold;
  Occupy(pool, hold);
  EXPECT_EQ(pool.PredictedWait(0, In(10), milliseconds(1)), milliseconds(1));
  EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>(), 1)), Admission::kTooLate);
  EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>(), 2)), Admission::kQueued);
  EXPECT_EQ(pool.counters().refused_late, 1u);
}

TEST_F(WorkerPoolTest, WhatIsTooLateByItsTurnIsDroppedUnlessItIsWantedAnyway) {
  const auto late = std::make_shared<TestTask>(), kept = std::make_shared<TestTask>();
  {
    WorkerPool pool({}, clock_);
    Hold hold;
    Occupy(pool, hold);
    Submit(pool, Of(late, 10));
    Job wanted = Of(kept, 10);
    wanted.keep_if_late = true;
    Submit(pool, std::move(wanted));
    clock_.Advance(milliseconds(10));
    hold.LetGo();
    pool.Stop();
    EXPECT_EQ(pool.counters().dropped_late, 1u);
  }
  EXPECT_EQ(late->runs, 0);
  EXPECT_EQ(late->drops, 1);
  EXPECT_EQ(late->last_reason, DropReason::kTooLate);
  EXPECT_EQ(kept->runs, 1);
  EXPECT_EQ(kept->drops, 0);
}

TEST_F(WorkerPoolTest, WhoIsDisplacedIsTold) {
  WorkerPool pool({}, clock_);
  Hold hold;
  Occupy(pool, hold);
  const auto few = std::make_shared<TestTask>();
  EXPECT_EQ(Submit(pool, Of(few, 2)), Admission::kQueued);
  Job many = Of(std::make_shared<TestTask>(), 2);
  many.worth = 3;
  EXPECT_EQ(Submit(pool, std::move(many)), Admission::kQueued);
  EXPECT_EQ(few->drops, 1);
  EXPECT_EQ(few->last_reason, DropReason::kDisplaced);
  EXPECT_EQ(pool.counters().displaced, 1u);
  EXPECT_EQ(pool.queued(), 1u);
}

TEST_F(WorkerPoolTest, ACancelledTaskIsLetGoWithoutACall) {
  WorkerPool pool({}, clock_);
  Hold hold;
  Occupy(pool, hold);
  auto task = std::make_shared<TestTask>();
  Submit(pool, Of(task));
  EXPECT_TRUE(pool.Cancel(*task));
  EXPECT_FALSE(pool.Cancel(*task));
  EXPECT_FALSE(pool.Cancel(*hold.task()));  // it has begun
  EXPECT_EQ(pool.queued(), 0u);
  EXPECT_EQ(task.use_count(), 1);
  EXPECT_EQ(task->runs + task->drops, 0);
  EXPECT_EQ(pool.counters().cancelled, 1u);
  EXPECT_EQ(Submit(pool, Of(task)), Admission::kQueued);  // again
}

TEST_F(WorkerPoolTest, ARaisedTaskGoesFirst) {
  std::vector<char> order;
  const auto task = [&](char name) {
    return std::make_shared<TestTask>([&order, name](std::size_t) { order.push_back(name); });
  };
  WorkerPool pool({.weights = {6, 1}}, clock_);
  Hold hold;
  Occupy(pool, hold);
  const auto raised = task('r');
  Submit(pool, Of(task('a'), 900, 0));
  Submit(pool, Of(task('b'), 900, 1));
  Submit(pool, Of(raised, 1000, 1));
  EXPECT_TRUE(pool.Raise(*raised, 0, In(500), 1));
  EXPECT_FALSE(pool.Raise(*hold.task(), 0, In(500), 1));
  EXPECT_EQ(pool.counters().raised, 1u);
  hold.LetGo();
  pool.Stop();
  EXPECT_THAT(order, ElementsAre('b', 'r', 'a'));  // b's tier has had nothing yet
}

TEST_F(WorkerPoolTest, AGroupRunsAsOne) {
  const int group = 0;
  std::vector<std::size_t> others;
  std::vector<std::shared_ptr<TestTask>> tasks;
  WorkerPool pool({}, clock_);
  Hold hold;
  Occupy(pool, hold);
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(std::make_shared<TestTask>([&others](std::size_t count) { others.push_back(count); }));
    Job job = Of(tasks.back());
    job.group = &group;
    job.expected = milliseconds(1);
    job.batch = {{milliseconds(1), milliseconds(1), milliseconds(1)}, 3};
    Submit(pool, std::move(job));
  }
  hold.LetGo();
  pool.Stop();
  EXPECT_THAT(others, ElementsAre(2u, 0u));
  EXPECT_EQ(tasks[0]->runs, 1);
  EXPECT_EQ(tasks[1]->runs + tasks[1]->drops, 0);
  EXPECT_EQ(pool.counters().batched, 2u);
}

TEST_F(WorkerPoolTest, AHungWorkerIsReplacedAndRetiresWhenItComesBack) {
  WorkerPool pool({.spare_workers = 1}, clock_);
  Hold hold;
  Occupy(pool, hold);
  clock_.Advance(milliseconds(1000));
  pool.CheckHung(clock_.Now());
  EXPECT_EQ(pool.lost(), 0);  // exactly as long as it may take
  clock_.Advance(milliseconds(1));
  pool.CheckHung(clock_.Now());
  pool.CheckHung(clock_.Now());
  EXPECT_EQ(hold.task()->hung, 1);
  EXPECT_EQ(pool.lost(), 1);
  EXPECT_EQ(pool.counters().hung, 1u);
  EXPECT_EQ(pool.counters().replaced, 1u);
  const auto next = std::make_shared<TestTask>();
  EXPECT_EQ(Submit(pool, Of(next)), Admission::kQueued);
  Await([&] { return next->runs == 1; });
  hold.LetGo();
  Await([&] { return pool.lost() == 0; });
  EXPECT_EQ(hold.task()->runs, 1);
  // One worker again: never two at once.
  std::atomic<int> at_once = 0, most_at_once = 0;
  for (int i = 0; i < 30; ++i) {
    Submit(pool, Of(std::make_shared<TestTask>([&](std::size_t) {
             most_at_once = std::max(most_at_once.load(), ++at_once);
             std::this_thread::sleep_for(milliseconds(1));
             --at_once;
           })));
  }
  EXPECT_TRUE(pool.Stop());
  EXPECT_EQ(most_at_once, 1);
}

TEST_F(WorkerPoolTest, AJobMayTakeFiftyTimesItsLikelyMaximumBeforeItCountsAsHung) {
  WorkerPool pool({}, clock_);
  Hold hold;
  Job slow = Of(hold.task());
  slow.likely_max = milliseconds(100);
  Submit(pool, std::move(slow));
  hold.AwaitBegun();
  clock_.Advance(milliseconds(5000));
  pool.CheckHung(clock_.Now());
  EXPECT_EQ(pool.lost(), 0);
  clock_.Advance(milliseconds(1));
  pool.CheckHung(clock_.Now());
  EXPECT_EQ(pool.lost(), 1);
}

TEST_F(WorkerPoolTest, WithoutASpareThePoolGoesOnWithWhatItHas) {
  WorkerPool pool({.workers = 2, .spare_workers = 1}, clock_);
  Hold first, second, third;
  Occupy(pool, first);
  Occupy(pool, second);
  clock_.Advance(milliseconds(1001));
  pool.CheckHung(clock_.Now());
  EXPECT_EQ(pool.lost(), 2);
  EXPECT_EQ(pool.counters().replaced, 1u);
  Occupy(pool, third);  // by the replacement
  clock_.Advance(milliseconds(1001));
  pool.CheckHung(clock_.Now());
  EXPECT_EQ(pool.lost(), 3);
  EXPECT_EQ(pool.counters().replaced, 1u);
  EXPECT_EQ(pool.PredictedWait(0, In(1000), milliseconds(1)), RunningWork::kNever);
  EXPECT_EQ(Submit(pool, Of(std::make_shared<TestTask>())), Admission::kTooLate);
  first.LetGo();
  second.LetGo();
  third.LetGo();
  Await([&] { return pool.lost() == 0; });
  const auto next = std::make_shared<TestTask>();
  EXPECT_EQ(Submit(pool, Of(next)), Admission::kQueued);
  EXPECT_TRUE(pool.Stop());
  EXPECT_EQ(next->runs, 1);
}

TEST_F(WorkerPoolTest, ItsEndDoesNotWaitForHungWorkers) {
  Hold hold;
  const std::weak_ptr<TestTask> held = hold.task();
  {
    FakeClock clock;
    const auto waiting = std::make_shared<TestTask>();
    WorkerPool pool({.stop_patience = milliseconds(30)}, clock);
    Job job{hold.task(), 0, clock.Now() + milliseconds(10)};
    pool.Submit(std::move(job), clock.Now());
    hold.AwaitBegun();
    pool.Submit({.task = waiting, .tier = 0, .keep_if_late = true}, clock.Now());
    clock.Advance(milliseconds(1001));
    EXPECT_FALSE(pool.Stop());
    EXPECT_FALSE(pool.Stop());
    EXPECT_EQ(hold.task()->hung, 1);
    EXPECT_EQ(waiting->last_reason, DropReason::kStopped);
    EXPECT_EQ(waiting->drops, 1);
    EXPECT_EQ(pool.queued(), 0u);
  }
  // Neither the pool nor its clock is there any more when it comes back.
  hold.LetGo();
  Await([&] { return held.use_count() == 1; });
}

TEST_F(WorkerPoolTest, ItsEndWaitsForHungWorkersThatComeBack) {
  WorkerPool pool({.stop_patience = std::chrono::hours(1)}, clock_);
  Hold hold;
  Occupy(pool, hold);
  clock_.Advance(milliseconds(1001));
  pool.CheckHung(clock_.Now());
  std::thread later([&] { hold.LetGo(); });
  EXPECT_TRUE(pool.Stop());
  later.join();
}

TEST_F(WorkerPoolTest, WorkersRunOnTheirCores) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  int core = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(core), &allowed)) ++core;
  WorkerPool pool({.cores = {core}}, clock_);
  cpu_set_t got;
  CPU_ZERO(&got);
  Submit(pool, Of(std::make_shared<TestTask>([&](std::size_t) { sched_getaffinity(0, sizeof got, &got); })));
  pool.Stop();
  EXPECT_EQ(CPU_COUNT(&got), 1);
  EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(core), &got));
}

TEST_F(WorkerPoolTest, EveryTaskEndsOnceWhateverManyThreadsDo) {
  constexpr int kThreads = 4, kEach = 500;
  std::vector<std::vector<std::shared_ptr<TestTask>>> tasks(kThreads);
  std::atomic<int> refused = 0, cancelled = 0;
  PoolCounters counters;
  {
    WorkerPool pool({.workers = 3, .queue_limit = 50, .weights = {6, 3, 1}, .spare_workers = 2}, Clock::Real());
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<unsigned>(t));
        auto& mine = tasks[static_cast<std::size_t>(t)];
        for (int i = 0; i < kEach; ++i) {
          mine.push_back(std::make_shared<TestTask>());
          const TimePoint now = Clock::Real().Now();
          Job job{mine.back(), random() % 4 == 3 ? kBackgroundTier : random() % 3};
          job.deadline = now + std::chrono::microseconds(random() % 2000);
          job.expected = job.likely_max = std::chrono::microseconds(20);
          job.worth = 1 + random() % 10;
          const bool queued = pool.Submit(std::move(job), now) == Admission::kQueued;
          refused += !queued;
          const TestTask& some = *mine[random() % mine.size()];
          if (random() % 4 == 0) cancelled += pool.Cancel(some);
          if (random() % 4 == 0) pool.Raise(some, random() % 3, now + milliseconds(1), 1);
          if (random() % 16 == 0) pool.CheckHung(now);
        }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(pool.Stop());
    counters = pool.counters();
    EXPECT_EQ(pool.lost(), 0);
  }
  int runs = 0, drops = 0;
  for (const auto& of : tasks)
    for (const auto& task : of) {
      EXPECT_LE(task->runs + task->drops, 1);
      runs += task->runs;
      drops += task->drops;
    }
  EXPECT_EQ(runs + drops + refused + cancelled, kThreads * kEach);
  EXPECT_EQ(counters.run, static_cast<std::uint64_t>(runs));
  EXPECT_EQ(counters.displaced + counters.dropped_late, static_cast<std::uint64_t>(drops));
  EXPECT_EQ(counters.full + counters.refused_late, static_cast<std::uint64_t>(refused.load()));
  EXPECT_EQ(counters.cancelled, static_cast<std::uint64_t>(cancelled.load()));
}

TEST_F(WorkerPoolTest, MeasuresWhatAHandOverCosts) {
  WorkerPool pool({.workers = 2}, Clock::Real());
  EXPECT_GT(pool.MeasureHandOver(), Duration::zero());
}

}  // namespace
}  // namespace punctual
