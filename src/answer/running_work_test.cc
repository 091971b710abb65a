#include "answer/running_work.h"

#include <gtest/gtest.h>

namespace punctual {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr TimePoint kStart{std::chrono::seconds(1)};

RunningWork Workers(int count) {
  RunningWork running;
  for (int i = 0; i < count; ++i) running.Add();
  return running;
}

TEST(RunningWorkTest, IdleWorkersShareTheWork) {
  const RunningWork running = Workers(4);
  EXPECT_EQ(running.WaitFor(milliseconds(0), kStart), milliseconds(0));
  EXPECT_EQ(running.WaitFor(milliseconds(8), kStart), milliseconds(2));
}

TEST(RunningWorkTest, WhoIsFreeFirstTakesWorkFirst) {
  RunningWork running = Workers(3);
  running.Begin(0, kStart, milliseconds(10), hours(1));
  running.Begin(1, kStart, milliseconds(4), hours(1));
  running.Begin(2, kStart, milliseconds(6), hours(1));
  const TimePoint now = kStart + milliseconds(1);  // they are free in 9, 3 and 5
  EXPECT_EQ(running.WaitFor(milliseconds(0), now), milliseconds(3));
  EXPECT_EQ(running.WaitFor(milliseconds(2), now), milliseconds(5));
  EXPECT_EQ(running.WaitFor(milliseconds(6), now), milliseconds(7));  // 2 by the second alone, 4 by two
  EXPECT_EQ(running.WaitFor(milliseconds(10), now), milliseconds(9));
  EXPECT_EQ(running.WaitFor(milliseconds(16), now), milliseconds(11));  // 10, then 6 by all three
}

TEST(RunningWorkTest, WhatIsOverItsTimeNeedsAsLongAgain) {
  RunningWork running = Workers(1);
  running.Begin(0, kStart, milliseconds(2), hours(1));
  EXPECT_EQ(running.WaitFor({}, kStart + milliseconds(1)), milliseconds(1));
  EXPECT_EQ(running.WaitFor({}, kStart + milliseconds(2)), milliseconds(0));
  EXPECT_EQ(running.WaitFor({}, kStart + milliseconds(7)), milliseconds(7));
  running.End(0);
  EXPECT_EQ(running.WaitFor({}, kStart + milliseconds(7)), milliseconds(0));
}

TEST(RunningWorkTest, WhoHangsIsFoundOnceAndIsNotCountedOn) {
  RunningWork running = Workers(2);
  running.Begin(0, kStart, milliseconds(2), milliseconds(100));
  running.Begin(1, kStart, milliseconds(2), milliseconds(200));
  EXPECT_EQ(running.FindHung(kStart + milliseconds(100)), std::nullopt);
  EXPECT_EQ(running.FindHung(kStart + milliseconds(101)), std::optional<std::size_t>(0));
  EXPECT_EQ(running.FindHung(kStart + milliseconds(101)), std::nullopt);
  EXPECT_EQ(running.lost(), 1);
  EXPECT_TRUE(running.is_lost(0));
  running.End(1);
  EXPECT_EQ(running.WaitFor(milliseconds(6), kStart + milliseconds(101)), milliseconds(6));
  running.End(0);  // it came back
  EXPECT_EQ(running.lost(), 0);
  EXPECT_EQ(running.WaitFor(milliseconds(6), kStart + milliseconds(101)), milliseconds(3));
}

TEST(RunningWorkTest, WithoutAWorkerNothingIsEverDone) {
  RunningWork running;
  EXPECT_EQ(running.WaitFor({}, kStart), RunningWork::kNever);
  const std::size_t worker = running.Add();
  running.Begin(worker, kStart, milliseconds(1), milliseconds(1));
  ASSERT_TRUE(running.FindHung(kStart + milliseconds(2)).has_value());
  EXPECT_EQ(running.WaitFor({}, kStart), RunningWork::kNever);
}

TEST(RunningWorkTest, NumbersAreUsedAgain) {
  RunningWork running = Workers(3);
  running.Remove(1);
  EXPECT_EQ(running.count(), 2);
  EXPECT_EQ(running.WaitFor(milliseconds(6), kStart), milliseconds(3));
  EXPECT_EQ(running.Add(), 1u);
  EXPECT_EQ(running.Add(), 3u);
  EXPECT_EQ(running.count(), 4);
}

}  // namespace
}  // namespace punctual
