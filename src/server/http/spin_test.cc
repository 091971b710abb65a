#include "server/http/spin.h"

#include <gtest/gtest.h>

#include <random>

#include "base/clock.h"

namespace punctual::http {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// A thread whose events come at given intervals, and what its looks cost and find.
class SpinTest : public ::testing::Test {
 protected:
  static constexpr Duration kLimit = microseconds(50);

  // The next event comes `interval` after the last one.
  void Event(Duration interval) {
    ++events_;
    if (looking_) {
      const bool found = interval <= kLimit;
      spin_.Looked(found, clock_.Now(), clock_.Now() + std::min(interval, kLimit));
      found_ += found;
      spun_ += std::min(interval, kLimit);
    }
    clock_.Advance(interval);
    looking_ = spin_.ShouldLook(clock_.Now());
    looks_ += looking_;
  }
  void Events(int count, Duration interval) {
    for (int i = 0; i < count; ++i) Event(interval);
  }
  void Reset() {
    events_ = looks_ = found_ = 0;
    spun_ = Duration::zero();
  }

  FakeClock clock_;
  Spin spin_{kLimit};
  bool looking_ = false;
  int events_ = 0, looks_ = 0, found_ = 0;
  Duration spun_{};
};

TEST_F(SpinTest, ABusyThreadComesToLookAfterEachEvent) {
  Events(500, microseconds(20));
  Reset();
  Events(1000, microseconds(20));
  EXPECT_EQ(looks_, 1000);
  EXPECT_EQ(found_, 1000);
}

TEST_F(SpinTest, AnIdleThreadNeverLooks) {
  Events(1000, milliseconds(250));
  EXPECT_EQ(looks_, 0);
}

TEST_F(SpinTest, EventsTooFarApartAreTriedSeldom) {
  Events(500, microseconds(500));
  Reset();
  Events(3200, microseconds(500));
  EXPECT_EQ(looks_, 100);
  EXPECT_EQ(found_, 0);
}

TEST_F(SpinTest, ItGivesUpSoonWhenEventsGetRarer) {
  Events(1000, microseconds(20));
  Reset();
  Events(100, microseconds(400));
  EXPECT_LE(looks_, 11 + 100 / Spin::kTryEvery + 1);
}

TEST_F(SpinTest, ItStopsAtOnceWhenAllIsQuiet) {
  Events(1000, microseconds(20));
  Reset();
  Events(100, milliseconds(100));
  EXPECT_LE(looks_, 1);
  EXPECT_LE(spun_, kLimit);
}

TEST_F(SpinTest, ItComesBackWhenEventsGetDenserAgain) {
  Events(1000, microseconds(20));
  Events(1000, microseconds(500));
  Events(4 * Spin::kTryEvery, microseconds(20));
  Reset();
  Events(100, microseconds(20));
  EXPECT_EQ(looks_, 100);
}

TEST_F(SpinTest, ALookInWhichTheCoreWasTakenAwayEndsThemForAWhile) {
  Events(1000, microseconds(20));
  spin_.Looked(true, clock_.Now(), clock_.Now() + kLimit + Spin::kTaken + Duration(1));
  looking_ = false;
  Reset();
  Events(10'000, microseconds(20));
  EXPECT_EQ(looks_, 0);
  clock_.Advance(Spin::kRest);
  Events(1000, microseconds(20));
  EXPECT_GT(looks_, 900);
}

TEST_F(SpinTest, WhatFindsNothingCostsLittleWhateverTheRate) {
  std::mt19937 random(7);
  for (const int mean_us : {5, 20, 50, 100, 200, 500, 1000, 5000}) {
    std::exponential_distribution<double> interval(1.0 / mean_us);
    Reset();
    for (int i = 0; i < 20'000; ++i) Event(Duration(static_cast<std::int64_t>(interval(random) * 1000)));
    // Either a good part of the looks is worth it, or there are few.
    if (looks_ > events_ / 4) {
      EXPECT_GT(found_, looks_ / 5) << mean_us;
    }
  }
}

TEST_F(SpinTest, WithoutALimitThereIsNone) {
  Spin never(Duration::zero());
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(never.ShouldLook(clock_.Now()));
}

TEST(WhyNoSpinTest, AQuotaOrTooManyThreadsForbidIt) {
  EXPECT_EQ(WhyNoSpin(2, 2, false), "");
  EXPECT_NE(WhyNoSpin(2, 2, true), "");
  EXPECT_NE(WhyNoSpin(3, 2, false), "");
}

}  // namespace
}  // namespace punctual::http
