// The queue against a naive one that keeps a list and looks through all of it each time.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "answer/job_queue.h"

namespace punctual {
namespace {

constexpr std::size_t kTiers = 3;  // and the background as the fourth
constexpr double kWeights[] = {4, 2, 1};
constexpr std::size_t kLimit = 20;

struct PlainTask final : PoolTask {
  void Run(std::span<const std::shared_ptr<PoolTask>>) override {}
  void Drop(DropReason) override {}
};

// What the naive queue knows of a job.
struct Known {
  std::shared_ptr<PoolTask> task;
  std::size_t tier;
  TimePoint deadline, last;
  std::uint64_t order;
  std::int64_t expected;
  std::uint32_t worth;
  bool keep;

  bool IsLate(TimePoint now) const { return !keep && now + Duration(expected) > last; }
  bool Before(const Known& other) const {
    return deadline != other.deadline ? deadline < other.deadline : order < other.order;
  }
};

class NaiveQueue {
 public:
  std::vector<Known> jobs;
  double virtual_time[kTiers + 1] = {};
  double virtual_now = 0;

  bool Has(std::size_t tier) const {
    return std::any_of(jobs.begin(), jobs.end(), [&](const Known& job) { return job.tier == tier; });
  }
  std::size_t Count(std::size_t tier) const {
    return static_cast<std::size_t>(
        std::count_if(jobs.begin(), jobs.end(), [&](const Known& job) { return job.tier == tier; }));
  }
  Duration Work(std::size_t tier) const {
    Duration work{};
    for (const Known& job : jobs)
      if (job.tier == tier) work += Duration(job.expected);
    return work;
  }
  void Add(Known job) {
    if (!Has(job.tier)) virtual_time[job.tier] = std::max(virtual_time[job.tier], virtual_now);
    jobs.push_back(std::move(job));
  }
  const Known* First(std::size_t tier) const {
    const Known* first = nullptr;
    for (const Known& job : jobs)
      if (job.tier == tier && (first == nullptr || job.Before(*first))) first = &job;
    return first;
  }
  const Known* Next() const {
    std::size_t next = kTiers;
    for (std::size_t tier = 0; tier < kTiers; ++tier)
      if (Has(tier) && (next == kTiers || virtual_time[tier] < virtual_time[next])) next = tier;
    return First(next);
  }
  void Take(const Known& job) {
    virtual_now = std::max(virtual_now, virtual_time[job.tier]);
    const double weight = job.tier < kTiers ? kWeights[job.tier] : 1;
    virtual_time[job.tier] += static_cast<double>(std::max<std::int64_t>(1000, job.expected)) / weight;
    Remove(job.task);
  }
  void Remove(const std::shared_ptr<PoolTask>& task) {
    std::erase_if(jobs, [&](const Known& job) { return job.task == task; });
  }
  Known* Find(const std::shared_ptr<PoolTask>& task) {
    for (Known& job : jobs)
      if (job.task == task) return &job;
    return nullptr;
  }
};

class JobQueueModelTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }
  static std::size_t Outside(std::size_t tier) { return tier == kTiers ? kBackgroundTier : tier; }

  void Submit() {
    const auto expected = static_cast<std::int64_t>(1'000'000 * (1 + Below(5)));
    Known job{std::make_shared<PlainTask>(),
              Below(kTiers + 1),
              now_ + std::chrono::milliseconds(Below(60)),
              {},
              next_order_,
              expected,
              static_cast<std::uint32_t>(1 + Below(8)),
              Below(5) == 0};
    job.last = job.deadline;
    Job real{job.task,  Outside(job.tier), job.deadline, Duration(expected), Duration(2 * expected),
             job.worth, job.keep};
    std::shared_ptr<PoolTask> displaced;
    const bool full = naive_.Count(job.tier) >= kLimit;
    const Admission admission = queue_.Submit(std::move(real), now_, running_, displaced);
    EXPECT_EQ(admission == Admission::kFull, full);
    if (!full && job.keep) {
      EXPECT_EQ(admission, Admission::kQueued);
    }
    // Both workers are idle: what nothing goes before is let in exactly if it is short enough itself.
    if (!full && !job.keep && naive_.jobs.empty()) {
      EXPECT_EQ(admission == Admission::kQueued, now_ + Duration(2 * expected) <= job.deadline);
    }
    if (displaced != nullptr) {
      const Known* gone = naive_.Find(displaced);
      ASSERT_NE(gone, nullptr);
      EXPECT_EQ(admission, Admission::kQueued);
      EXPECT_EQ(gone->tier, job.tier);
      EXPECT_LT(2 * gone->worth, job.worth);
      EXPECT_LE(gone->deadline, job.deadline);
      naive_.Remove(displaced);
    }
    if (admission != Admission::kQueued) return;
    known_.push_back(job.task);
    naive_.Add(std::move(job));
    ++next_order_;
  }

  void Take() {
    std::vector<std::shared_ptr<PoolTask>> late;
    queue_.TakeLate(now_, late);
    for (const auto& task : late) {
      const Known* job = naive_.Find(task);
      ASSERT_NE(job, nullptr);
      EXPECT_TRUE(job->IsLate(now_));
      EXPECT_EQ(naive_.First(job->tier), job);
      naive_.Remove(task);
    }
    for (std::size_t tier = 0; tier <= kTiers; ++tier)
      EXPECT_FALSE(naive_.Has(tier) && naive_.First(tier)->IsLate(now_));
    Batch batch;
    const Known* next = naive_.Next();
    ASSERT_EQ(queue_.Take(now_, 0, batch), next != nullptr);
    if (next == nullptr) return;
    ASSERT_EQ(batch.tasks.size(), 1u);
    EXPECT_EQ(batch.tasks[0], next->task);
    EXPECT_EQ(batch.expected, Duration(next->expected));
    naive_.Take(*next);
  }

  void Cancel() {
    if (known_.empty()) return;
    const auto task = known_[Below(known_.size())];
    EXPECT_EQ(queue_.Cancel(*task) != nullptr, naive_.Find(task) != nullptr);
    naive_.Remove(task);
  }

  void Raise() {
    if (known_.empty()) return;
    const auto task = known_[Below(known_.size())];
    Known* job = naive_.Find(task);
    const std::size_t tier = Below(kTiers + 1);
    const TimePoint deadline = now_ + std::chrono::milliseconds(Below(60));
    EXPECT_EQ(queue_.Raise(*task, Outside(tier), deadline, 2, now_, running_), job != nullptr);
    if (job == nullptr) return;
    Known raised = *job;
    naive_.Remove(task);
    raised.deadline = std::min(raised.deadline, deadline);
    raised.last = std::max(raised.last, deadline);
    raised.worth += 2;
    // Which of the two tiers it is in now, the tiers' work shows.
    const bool moved = tier != raised.tier && queue_.work(Outside(tier)) > naive_.Work(tier);
    if (tier == kTiers) {
      EXPECT_FALSE(moved);
    }
    if (tier < kTiers && raised.tier == kTiers) {
      EXPECT_TRUE(moved);
    }
    if (moved) raised.tier = tier;
    naive_.Add(std::move(raised));
  }

  std::mt19937_64 random_{GetParam()};
  TimePoint now_{std::chrono::seconds(1)};
  JobQueue queue_{{kWeights, kWeights + kTiers}, kLimit};
  RunningWork running_;
  NaiveQueue naive_;
  std::uint64_t next_order_ = 0;
  std::vector<std::shared_ptr<PoolTask>> known_;  // ever queued
};

TEST_P(JobQueueModelTest, DoesWhatANaiveOneDoes) {
  running_.Add();
  running_.Add();
  for (int step = 0; step < 3000 && !HasFailure(); ++step) {
    if (Below(4) == 0) now_ += std::chrono::microseconds(Below(3000));
    switch (Below(8)) {
      case 0: Take(); break;
      case 1: Take(); break;
      case 2: Cancel(); break;
      case 3: Raise(); break;
      default: Submit();
    }
    ASSERT_EQ(queue_.size(), naive_.jobs.size()) << "after step " << step;
    for (std::size_t tier = 0; tier <= kTiers; ++tier)
      ASSERT_EQ(queue_.work(Outside(tier)), naive_.Work(tier)) << "after step " << step;
  }
  std::vector<std::shared_ptr<PoolTask>> rest;
  queue_.TakeAll(rest);
  EXPECT_EQ(rest.size(), naive_.jobs.size());
  for (const auto& task : rest) EXPECT_NE(naive_.Find(task), nullptr);
  EXPECT_EQ(queue_.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, JobQueueModelTest, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace punctual
