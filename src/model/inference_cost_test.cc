#include "model/inference_cost.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace punctual {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr double kBucket = 1.04;  // the histogram's precision

void ExpectAbout(Duration got, Duration wanted) {
  EXPECT_GE(got, wanted);
  EXPECT_LE(static_cast<double>(got.count()), static_cast<double>(wanted.count()) * kBucket);
}

InferenceCost& Seeded(InferenceCost& cost) {
  Histogram calibration;
  for (int run = 1; run <= 100; ++run) calibration.Record(microseconds(run <= 90 ? 100 : 200));
  cost.Seed(calibration);
  return cost;
}

// Time goes on by what lies between two updates.
TimePoint Later(Duration gap = InferenceCost::kUpdateEvery) {
  static TimePoint now = std::chrono::steady_clock::now();
  return now += gap;
}

void Runs(InferenceCost& cost, int runs, Duration took, Duration gap = InferenceCost::kUpdateEvery) {
  for (int run = 0; run < runs; ++run) cost.Record(took);
  cost.Update(Later(gap));
}

TEST(InferenceCostTest, BeginsWithItsCalibration) {
  InferenceCost cost;
  EXPECT_EQ(cost.typical(), Duration::zero());
  Seeded(cost);
  ExpectAbout(cost.typical(), microseconds(100));
  ExpectAbout(cost.high(), microseconds(200));
}

TEST(InferenceCostTest, OneStallIsOneRunAmongMany) {
  InferenceCost cost;
  Seeded(cost);
  Runs(cost, 1, milliseconds(500));
  ExpectAbout(cost.typical(), microseconds(100));
  ExpectAbout(cost.high(), microseconds(200));
}

TEST(InferenceCostTest, FollowsWhatRunsTakeNow) {
  InferenceCost cost;
  Seeded(cost);
  for (int i = 0; i < 20; ++i) Runs(cost, 200, microseconds(100));
  ExpectAbout(cost.high(), microseconds(100));
  // Slower, and asked rarely: believed after some tens of runs, however many were quick before.
  int updates = 0;
  while (cost.typical() < milliseconds(1) && updates < 200) {
    Runs(cost, 5, milliseconds(1));
    ++updates;
  }
  EXPECT_LT(updates, 40);
  while (cost.typical() >= milliseconds(1) && updates < 400) {
    Runs(cost, 5, microseconds(100));
    ++updates;
  }
  EXPECT_LT(updates, 80);
}

TEST(InferenceCostTest, WhatNobodyMeasuresDoesNotAge) {
  InferenceCost cost;
  Seeded(cost);
  Runs(cost, 100, milliseconds(3));
  const Duration typical = cost.typical(), high = cost.high();
  for (int i = 0; i < 10'000; ++i) cost.Update(Later());
  EXPECT_EQ(cost.typical(), typical);
  EXPECT_EQ(cost.high(), high);
}

TEST(InferenceCostTest, AFewTriesASecondTellThatABadMomentIsOver) {
  InferenceCost cost;
  Seeded(cost);
  Runs(cost, 32, milliseconds(20));
  ASSERT_GT(cost.high(), milliseconds(19));
  int seconds = 0;
  for (; cost.high() > milliseconds(1) && seconds < 60; ++seconds)
    for (int one = 0; one < 10; ++one) Runs(cost, 1, microseconds(100));
  EXPECT_LE(seconds, 10);
}

TEST(InferenceCostTest, OneStallAfterAQuietHourIsOneRunAmongMany) {
  InferenceCost cost;
  Seeded(cost);
  for (int i = 0; i < 20; ++i) Runs(cost, 200, microseconds(100));
  Runs(cost, 1, milliseconds(500), std::chrono::hours(1));
  ExpectAbout(cost.high(), microseconds(100));
}

TEST(InferenceCostTest, ForgetsAnIllnessThatIsOver) {
  InferenceCost cost;
  Seeded(cost);
  for (int i = 0; i < 20; ++i) Runs(cost, 10, milliseconds(200));
  ExpectAbout(cost.typical(), milliseconds(200));
  cost.Record(milliseconds(200));
  cost.Forget();
  cost.Update(Later());
  ExpectAbout(cost.typical(), microseconds(100));
  ExpectAbout(cost.high(), microseconds(200));
  // Were it not over, that would be seen soon.
  for (int i = 0; i < 4; ++i) Runs(cost, 20, milliseconds(200));
  ExpectAbout(cost.typical(), milliseconds(200));
}

TEST(InferenceCostTest, RunsInARowThatAreAsAtLoadTellThatAnIllnessIsOver) {
  InferenceCost cost;
  Seeded(cost);
  const auto ill = [&cost] { return cost.high() > milliseconds(100); };
  for (int i = 0; i < 20; ++i) {
    Runs(cost, 8, microseconds(100));
    Runs(cost, 2, milliseconds(200));
  }
  ASSERT_TRUE(ill());
  // One in ten is still slow: it is not over.
  for (int i = 0; i < 30; ++i) {
    Runs(cost, 9, microseconds(100), milliseconds(1));
    Runs(cost, 1, milliseconds(200), milliseconds(1));
  }
  EXPECT_TRUE(ill());
  Runs(cost, 31, microseconds(100), milliseconds(1));
  EXPECT_TRUE(ill());
  Runs(cost, 1, microseconds(100), milliseconds(1));
  EXPECT_FALSE(ill());
}

TEST(InferenceCostTest, OneThatIsIllIsOldSooner) {
  InferenceCost cost;
  Seeded(cost);
  Runs(cost, 100, microseconds(100));
  EXPECT_FALSE(cost.IsOld(Later(milliseconds(50)), true));
  for (int i = 0; i < 20; ++i) Runs(cost, 10, milliseconds(2));
  EXPECT_FALSE(cost.IsOld(Later(milliseconds(30)), true));
  EXPECT_FALSE(cost.IsOld(Later(milliseconds(20)), false));
  EXPECT_TRUE(cost.IsOld(Later(milliseconds(1)), true));
}

TEST(InferenceCostTest, SaysToOneCallerAtATimeThatItIsOld) {
  InferenceCost cost;
  Seeded(cost);
  Runs(cost, 1, microseconds(100));
  const TimePoint now = Later(Duration::zero());
  EXPECT_FALSE(cost.IsOld(now, true));
  EXPECT_TRUE(cost.IsOld(now + std::chrono::seconds(5), true));
  EXPECT_FALSE(cost.IsOld(now + std::chrono::seconds(5), true));
  EXPECT_TRUE(cost.IsOld(now + std::chrono::seconds(10), true));
}

TEST(InferenceCostTest, ManyThreadsRecordWhileItIsUpdated) {
  InferenceCost cost;
  Seeded(cost);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&cost] {
      for (int i = 0; i < 20'000; ++i) cost.Record(microseconds(700));
    });
  for (int i = 0; i < 100; ++i) {
    cost.Update(Later());
    EXPECT_GE(cost.high(), cost.typical());
  }
  for (std::thread& thread : threads) thread.join();
  cost.Update(Later());
  ExpectAbout(cost.typical(), microseconds(700));
}

}  // namespace
}  // namespace punctual
