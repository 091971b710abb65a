#include "answer/deadline_timer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace punctual {
namespace {

using std::chrono::milliseconds;

class Target final : public TimerTarget {
 public:
  void OnTimeUp() override {
    if (!finished_.exchange(true)) called_.set_value(std::chrono::steady_clock::now());
  }
  bool finished() const override { return finished_; }
  void Finish() { finished_ = true; }
  std::future<TimePoint> called() { return called_.get_future(); }

 private:
  std::atomic<bool> finished_ = false;
  std::promise<TimePoint> called_;
};

TEST(DeadlineTimerTest, CallsEachAtItsTimeAndNeverBefore) {
  telemetry::DurationHistogram lateness;
  DeadlineTimer timer(lateness);
  const TimePoint now = std::chrono::steady_clock::now();
  std::vector<std::pair<TimePoint, std::future<TimePoint>>> expected;
  for (const int ms : {30, 5, 20, 1, 12}) {
    auto target = std::make_shared<Target>();
    expected.emplace_back(now + milliseconds(ms), target->called());
    timer.Add(now + milliseconds(ms), target);
  }
  for (auto& [when, called] : expected) EXPECT_GE(called.get(), when);
  EXPECT_EQ(lateness.Snapshot().count(), 5u);
}

TEST(DeadlineTimerTest, ATimeThatIsOverIsNoLatenessOfTheTimer) {
  telemetry::DurationHistogram lateness;
  DeadlineTimer timer(lateness);
  auto target = std::make_shared<Target>();
  auto called = target->called();
  timer.Add(std::chrono::steady_clock::now() - std::chrono::hours(1), target);
  called.wait();
  EXPECT_LT(lateness.Snapshot().max(), std::chrono::minutes(30));
}

TEST(DeadlineTimerTest, WhatHasFinishedIsNotCalledAndIsLetGo) {
  telemetry::DurationHistogram lateness;
  DeadlineTimer timer(lateness);
  auto finished = std::make_shared<Target>();
  finished->Finish();
  timer.Add(std::chrono::steady_clock::now() + std::chrono::hours(1), finished);
  auto next = std::make_shared<Target>();
  auto called = next->called();
  timer.Add(std::chrono::steady_clock::now() + milliseconds(5), next);
  called.wait();
  auto again = std::make_shared<Target>();
  called = again->called();
  timer.Add(std::chrono::steady_clock::now() + milliseconds(5), again);
  called.wait();
  EXPECT_EQ(finished.use_count(), 1);
  EXPECT_EQ(lateness.Snapshot().count(), 2u);
}

TEST(DeadlineTimerTest, CallsWhatIsLeftWhenItEnds) {
  telemetry::DurationHistogram lateness;
  std::vector<std::shared_ptr<Target>> targets;
  {
    DeadlineTimer timer(lateness);
    for (int i = 0; i < 500; ++i)
      timer.Add(std::chrono::steady_clock::now() + std::chrono::hours(1),
                targets.emplace_back(std::make_shared<Target>()));
  }
  for (const auto& target : targets) EXPECT_TRUE(target->finished());
}

}  // namespace
}  // namespace punctual
