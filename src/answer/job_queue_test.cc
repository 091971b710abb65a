#include "answer/job_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr TimePoint kStart{std::chrono::seconds(1)};
TimePoint At(int ms) { return kStart + milliseconds(ms); }

struct NamedTask final : PoolTask {
  explicit NamedTask(std::string with) : name(std::move(with)) {}
  void Run(std::span<const std::shared_ptr<PoolTask>>) override {}
  void Drop(DropReason) override {}
  const std::string name;
};

std::vector<std::string> NamesOf(const std::vector<std::shared_ptr<PoolTask>>& tasks) {
  std::vector<std::string> names;
  for (const auto& task : tasks) names.push_back(static_cast<const NamedTask&>(*task).name);
  return names;
}

class JobQueueTest : public ::testing::Test {
 protected:
  JobQueueTest() { running_.Add(); }

  // Of 1 ms, unless told.
  Job Of(const std::string& name, std::size_t tier, int deadline_ms, int expected_ms = 1) {
    Job job{std::make_shared<NamedTask>(name), tier, At(deadline_ms)};
    job.expected = job.likely_max = milliseconds(expected_ms);
    return job;
  }
  Admission Submit(Job job, int now_ms = 0) {
    displaced_.reset();
    return queue_.Submit(std::move(job), At(now_ms), running_, displaced_);
  }
  // The next batch's names; empty: nothing waits.
  std::vector<std::string> Take(int now_ms = 0) {
    Batch batch;
    return queue_.Take(At(now_ms), 0, batch) ? NamesOf(batch.tasks) : std::vector<std::string>();
  }
  std::vector<std::string> TakeLate(int now_ms) {
    std::vector<std::shared_ptr<PoolTask>> late;
    queue_.TakeLate(At(now_ms), late);
    return NamesOf(late);
  }
  std::string TakeAllOneByOne() {
    std::string all;
    for (auto names = Take(); !names.empty(); names = Take()) all += names[0];
    return all;
  }

  RunningWork running_;  // one worker, idle
  JobQueue queue_{{6, 3, 1}, 100};
  std::shared_ptr<PoolTask> displaced_;
};

TEST_F(JobQueueTest, TheEarliestDeadlineOfATierIsFirstAndEqualOnesInTheirOrder) {
  for (const char* const name : {"c50", "a15", "b25", "a15again", "c50again"})
    EXPECT_EQ(Submit(Of(name, 1, 1000 + std::stoi(std::string(name + 1)))), Admission::kQueued);
  EXPECT_THAT(Take(), ElementsAre("a15"));
  EXPECT_THAT(Take(), ElementsAre("a15again"));
  EXPECT_THAT(Take(), ElementsAre("b25"));
  EXPECT_THAT(Take(), ElementsAre("c50"));
  EXPECT_THAT(Take(), ElementsAre("c50again"));
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(JobQueueTest, TiersShareByWeightWhileAllHaveWork) {
  for (int i = 0; i < 60; ++i)
    for (std::size_t tier = 0; tier < 3; ++tier) Submit(Of(std::to_string(tier), tier, 1000));
  const std::string order = TakeAllOneByOne().substr(0, 50);
  EXPECT_NEAR(std::count(order.begin(), order.end(), '0'), 30, 1);
  EXPECT_NEAR(std::count(order.begin(), order.end(), '1'), 15, 1);
  EXPECT_NEAR(std::count(order.begin(), order.end(), '2'), 5, 1);
}

TEST_F(JobQueueTest, ShareIsCountedInWorkNotInJobs) {
  for (int i = 0; i < 80; ++i) Submit(Of("a", 0, 5000, 4));
  for (int i = 0; i < 80; ++i) Submit(Of("b", 1, 5000, 1));
  const std::string order = TakeAllOneByOne().substr(0, 60);
  // 6 to 3 in time is 2 jobs of 4 ms to 4 of 1 ms.
  EXPECT_NEAR(std::count(order.begin(), order.end(), 'a'), 20, 1);
}

TEST_F(JobQueueTest, ATierAloneHasAllWorkersAndOneThatWasIdleCollectsNoCredit) {
  for (int i = 0; i < 70; ++i) Submit(Of("b", 2, 1000));
  for (int i = 0; i < 50; ++i) EXPECT_THAT(Take(), ElementsAre("b"));
  for (int i = 0; i < 20; ++i) Submit(Of("a", 0, 1000));
  // Not 20 in a row, though basic has had 50 in the meantime, nor must premium wait for those.
  const std::string order = TakeAllOneByOne();
  EXPECT_EQ(order[0], 'a');
  EXPECT_NEAR(std::count(order.begin(), order.begin() + 14, 'b'), 2, 1);
}

TEST_F(JobQueueTest, BackgroundWorkRunsWhenNothingElseWaits) {
  Submit(Of("audit", kBackgroundTier, 5));
  Submit(Of("basic", 2, 1000));
  Submit(Of("premium", 0, 1000));
  EXPECT_THAT(Take(), ElementsAre("premium"));
  EXPECT_THAT(Take(), ElementsAre("basic"));
  EXPECT_THAT(Take(), ElementsAre("audit"));
}

TEST_F(JobQueueTest, AFullTierRefusesAndTheOthersDoNot) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Submit(Of("b", 2, 1000)), Admission::kQueued);
  EXPECT_EQ(Submit(Of("b", 2, 1000)), Admission::kFull);
  EXPECT_EQ(Submit(Of("a", 0, 1000)), Admission::kQueued);
  EXPECT_EQ(queue_.size(), 101u);
}

TEST_F(JobQueueTest, WhatWouldNotBeReadyIsRefused) {
  EXPECT_EQ(Submit(Of("a", 1, 5, 6)), Admission::kTooLate);
  EXPECT_EQ(Submit(Of("a", 1, 5, 5)), Admission::kQueued);
  EXPECT_EQ(Submit(Of("b", 1, 9, 5)), Admission::kTooLate);  // behind a
  EXPECT_EQ(Submit(Of("b", 1, 10, 5)), Admission::kQueued);
  EXPECT_EQ(Submit(Of("c", 1, 4, 4)), Admission::kQueued);  // before both: that is their bad luck
  running_.Begin(0, kStart, milliseconds(3), std::chrono::hours(1));
  EXPECT_EQ(Submit(Of("d", 1, 3, 1)), Admission::kTooLate);
  Job urgent = Of("e", 1, 3, 1);
  urgent.keep_if_late = true;
  EXPECT_EQ(Submit(std::move(urgent)), Admission::kQueued);
  EXPECT_EQ(queue_.size(), 4u);
}

TEST_F(JobQueueTest, AJobsOwnPartIsTakenAtItsLikelyMaximum) {
  Job job = Of("a", 1, 5, 1);
  job.likely_max = milliseconds(6);
  EXPECT_EQ(Submit(job), Admission::kTooLate);
  job.likely_max = milliseconds(5);
  EXPECT_EQ(Submit(job), Admission::kQueued);
}

TEST_F(JobQueueTest, OtherTiersCountAsFarAsTheirWeightLetsThemComeBetween) {
  for (int i = 0; i < 10; ++i) Submit(Of("standard", 1, 1000));
  // Standard may come between with half of what premium asks for; with three times what basic does.
  EXPECT_EQ(queue_.PredictedWait(0, At(500), milliseconds(4), kStart, running_), milliseconds(2));
  EXPECT_EQ(queue_.PredictedWait(2, At(500), milliseconds(2), kStart, running_), milliseconds(6));
  EXPECT_EQ(queue_.PredictedWait(2, At(500), milliseconds(20), kStart, running_), milliseconds(10));
  EXPECT_EQ(queue_.PredictedWait(1, At(500), milliseconds(1), kStart, running_), milliseconds(0));
  EXPECT_EQ(queue_.PredictedWait(1, At(1000), milliseconds(1), kStart, running_), milliseconds(10));
  EXPECT_EQ(queue_.PredictedWait(kBackgroundTier, At(1), milliseconds(1), kStart, running_), milliseconds(10));
}

TEST_F(JobQueueTest, WhatAnotherTierLatelyHadIsExpectedToComeAgain) {
  // Premium keeps the worker busy half of the time.
  for (int ms = 0; ms <= 100; ms += 2) {
    ASSERT_EQ(Submit(Of("premium", 0, 1000), ms), Admission::kQueued);
    ASSERT_THAT(Take(ms), ElementsAre("premium"));
  }
  Job ahead = Of("basic", 2, 110, 10);
  ahead.keep_if_late = true;
  ASSERT_EQ(Submit(ahead, 100), Admission::kQueued);
  // So its 10 ms take about 20.
  EXPECT_EQ(Submit(Of("basic", 2, 119), 100), Admission::kTooLate);
  const Duration wait = queue_.PredictedWait(2, At(1000), milliseconds(1), At(100), running_);
  EXPECT_GT(wait, milliseconds(17));
  EXPECT_LE(wait, milliseconds(21));
  // It is not expected for ever.
  Submit(Of("other", 1, 2000), 300);
  EXPECT_LT(queue_.PredictedWait(2, At(1000), milliseconds(1), At(300), running_), milliseconds(12));
}

TEST_F(JobQueueTest, OneThatFewWantMakesRoomForOneThatManyDo) {
  Job few = Of("few", 1, 10, 5), some = Of("some", 1, 10, 5), many = Of("many", 1, 12, 5);
  few.worth = 2;
  some.worth = 3;
  Submit(some);
  Submit(few);
  many.worth = 4;  // not more than twice as many
  EXPECT_EQ(Submit(many), Admission::kTooLate);
  EXPECT_EQ(displaced_, nullptr);
  many.worth = 7;  // of those who must leave, the one that fewest want
  EXPECT_EQ(Submit(many), Admission::kQueued);
  EXPECT_EQ(displaced_, few.task);
  EXPECT_THAT(Take(), ElementsAre("some"));
  EXPECT_THAT(Take(), ElementsAre("many"));
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(JobQueueTest, NothingIsDisplacedThatWouldMakeNoRoom) {
  Submit(Of("short", 1, 10, 1));
  Submit(Of("long", 1, 10, 9));
  Submit(Of("behind", 1, 60, 30));
  Submit(Of("other", 0, 60, 9));
  Job wanted = Of("wanted", 1, 12, 11);
  wanted.worth = 100;
  EXPECT_EQ(Submit(wanted), Admission::kTooLate);
  EXPECT_EQ(queue_.size(), 4u);
  Take();  // premium's, so that only standard is left
  wanted.likely_max = milliseconds(4);
  EXPECT_EQ(Submit(wanted), Admission::kQueued);
  EXPECT_EQ(NamesOf({displaced_}), std::vector<std::string>{"long"});
}

TEST_F(JobQueueTest, WhatIsTooLateLeaves) {
  Submit(Of("a", 1, 10, 2));
  Submit(Of("b", 1, 20, 2));
  Submit(Of("c", 2, 30, 2));
  Job kept = Of("kept", 2, 5, 2);
  kept.keep_if_late = true;
  Submit(std::move(kept));
  EXPECT_THAT(TakeLate(8), IsEmpty());
  EXPECT_THAT(TakeLate(9), ElementsAre("a"));
  EXPECT_THAT(TakeLate(29), ElementsAre("b"));  // c's turn has not come
  EXPECT_THAT(Take(29), ElementsAre("kept"));
  EXPECT_THAT(TakeLate(29), ElementsAre("c"));
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(JobQueueTest, WhatWillBeDroppedIsInNobodysWay) {
  Submit(Of("dead", 1, 10, 8));
  EXPECT_EQ(Submit(Of("living", 1, 20, 5), 15), Admission::kQueued);
}

TEST_F(JobQueueTest, CancellingTakesAJobOut) {
  const Job a = Of("a", 1, 10), b = Of("b", 1, 10);
  Submit(a);
  Submit(b);
  EXPECT_EQ(queue_.Cancel(*a.task), a.task);
  EXPECT_EQ(queue_.Cancel(*a.task), nullptr);
  EXPECT_THAT(Take(), ElementsAre("b"));
  EXPECT_EQ(queue_.Cancel(*b.task), nullptr);
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_EQ(queue_.work(1), Duration::zero());
}

TEST_F(JobQueueTest, RaisingBringsAJobForward) {
  for (int i = 0; i < 20; ++i) Submit(Of("standard", 1, 500));
  const Job job = Of("job", 2, 1000);
  Submit(job);
  EXPECT_TRUE(queue_.Raise(*job.task, 1, At(400), 1, kStart, running_));
  EXPECT_EQ(queue_.work(2), Duration::zero());
  EXPECT_THAT(Take(), ElementsAre("job"));
  EXPECT_FALSE(queue_.Raise(*job.task, 0, At(300), 1, kStart, running_));
}

TEST_F(JobQueueTest, RaisingNeverPutsAJobBack) {
  const Job job = Of("job", 0, 400);
  Submit(job);
  for (int i = 0; i < 20; ++i) Submit(Of("basic", 2, 500));
  EXPECT_TRUE(queue_.Raise(*job.task, 2, At(1000), 1, kStart, running_));
  EXPECT_TRUE(queue_.Raise(*job.task, kBackgroundTier, At(1000), 1, kStart, running_));
  EXPECT_THAT(Take(), ElementsAre("job"));
}

TEST_F(JobQueueTest, ARaisedJobIsTooLateOnlyWhenItIsForAllWhoWait) {
  const Job job = Of("job", 2, 50, 5);
  Submit(job);
  queue_.Raise(*job.task, 0, At(10), 1, kStart, running_);
  EXPECT_THAT(TakeLate(45), IsEmpty());
  EXPECT_THAT(TakeLate(46), ElementsAre("job"));
}

TEST_F(JobQueueTest, RaisingMakesAJobWorthMore) {
  const Job first = Of("first", 1, 10, 5), second = Of("second", 1, 10, 5);
  Submit(first);
  Submit(second);
  queue_.Raise(*first.task, 1, At(10), 9, kStart, running_);
  Job wanted = Of("wanted", 1, 10, 5);
  wanted.worth = 5;
  EXPECT_EQ(Submit(wanted), Admission::kQueued);
  EXPECT_EQ(displaced_, second.task);
}

class JobQueueBatchTest : public JobQueueTest {
 protected:
  Job OfGroup(const std::string& name, std::size_t tier, int deadline_ms, const void* group) {
    Job job = Of(name, tier, deadline_ms, 4);
    job.group = group;
    job.batch = {{milliseconds(4), milliseconds(5), milliseconds(6)}, 3};
    return job;
  }
  const int group_ = 0, other_group_ = 0;
};

TEST_F(JobQueueBatchTest, JobsOfAGroupAreTakenTogetherTheirOwnTierFirst) {
  Submit(OfGroup("premium", 0, 900, &group_));
  Submit(OfGroup("a", 2, 900, &group_));
  Submit(OfGroup("other", 1, 900, &other_group_));
  Submit(OfGroup("b", 2, 901, &group_));
  Submit(Of("alone", 1, 902));
  Batch batch;
  ASSERT_TRUE(queue_.Take(kStart, 0, batch));
  EXPECT_THAT(NamesOf(batch.tasks), ElementsAre("premium", "a", "b"));
  EXPECT_EQ(batch.expected, milliseconds(6));
  EXPECT_THAT(Take(), ElementsAre("other"));
  EXPECT_THAT(Take(), ElementsAre("alone"));
}

TEST_F(JobQueueBatchTest, ABatchIsNoLargerThanItPays) {
  for (int i = 0; i < 4; ++i) Submit(OfGroup("a", 1, 900, &group_));
  EXPECT_THAT(Take(), ElementsAre("a", "a", "a"));
  EXPECT_THAT(Take(), ElementsAre("a"));
}

TEST_F(JobQueueBatchTest, ABatchIsAsLargeAsPaysBest) {
  for (int i = 0; i < 6; ++i) {
    Job job = OfGroup("a", 1, 900, &group_);
    // Batches of two and of four are computed; those of three as four.
    job.batch = {{milliseconds(4), milliseconds(7), milliseconds(9), milliseconds(9)}, 4};
    Submit(std::move(job));
  }
  EXPECT_THAT(Take(), ElementsAre("a", "a", "a", "a"));
  EXPECT_THAT(Take(), ElementsAre("a"));  // two together would save too little for what the first one waits longer
  EXPECT_THAT(Take(), ElementsAre("a"));
}

TEST_F(JobQueueBatchTest, NoWorkerGoesIdleForABatch) {
  for (int i = 0; i < 4; ++i) Submit(OfGroup("a", 1, 900, &group_));
  Batch batch;
  ASSERT_TRUE(queue_.Take(kStart, 2, batch));
  EXPECT_EQ(batch.tasks.size(), 2u);
  ASSERT_TRUE(queue_.Take(kStart, 5, batch));
  EXPECT_EQ(batch.tasks.size(), 1u);
}

TEST_F(JobQueueBatchTest, ABatchIsReadyInTimeForEachOfItsMembers) {
  // Kept however late: admission has nothing to say here.
  const auto kept = [&](const std::string& name, std::size_t tier, int deadline_ms) {
    Job job = OfGroup(name, tier, deadline_ms, &group_);
    job.keep_if_late = true;
    return job;
  };
  Submit(kept("first", 0, 5));
  Submit(kept("second", 0, 5));
  Submit(kept("third", 0, 20));
  EXPECT_THAT(Take(), ElementsAre("first", "second"));  // three would take 6 ms
  Submit(kept("hurried", 1, 24));
  EXPECT_THAT(Take(), UnorderedElementsAre("third", "hurried"));
  Submit(kept("late", 0, 10));
  Submit(kept("tight", 1, 24));
  Submit(kept("easy", 2, 90));
  EXPECT_THAT(Take(20), UnorderedElementsAre("late", "easy"));  // tight has time for 4 ms, but not for 5
}

TEST_F(JobQueueBatchTest, EachTierPaysForItsPartOfABatch) {
  for (int i = 0; i < 30; ++i) Submit(OfGroup("a", 0, 900, &group_));
  for (int i = 0; i < 30; ++i) Submit(Of("b", 1, 900, 2));
  int a = 0, b = 0;
  while (a < 18) (Take().front() == "a" ? a += 3 : ++b);
  EXPECT_NEAR(b, 9, 2);  // 36 ms of a, 2 ms each; half of that for b
}

TEST_F(JobQueueBatchTest, BackgroundWorkJoinsNoRequests) {
  Submit(OfGroup("audit", kBackgroundTier, 900, &group_));
  Submit(OfGroup("audit", kBackgroundTier, 900, &group_));
  Submit(OfGroup("request", 1, 900, &group_));
  EXPECT_THAT(Take(), ElementsAre("request"));
  EXPECT_THAT(Take(), ElementsAre("audit", "audit"));
}

}  // namespace
}  // namespace punctual
