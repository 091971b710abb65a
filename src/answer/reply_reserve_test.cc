#include "answer/reply_reserve.h"

#include <gtest/gtest.h>

namespace punctual {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(ReplyReserveTest, IsTheFloorUntilReplyingIsMeasuredToCostMore) {
  telemetry::DurationHistogram costs, lateness;
  ReplyReserve reserve(microseconds(200), costs, lateness);
  EXPECT_EQ(reserve.For(milliseconds(15)), microseconds(200));
  for (int i = 0; i < 10000; ++i) reserve.Record(microseconds(20));
  reserve.Update();
  EXPECT_EQ(reserve.For(milliseconds(15)), microseconds(200));
  for (int i = 0; i < 10000; ++i) reserve.Record(milliseconds(1));
  reserve.Update();
  EXPECT_GT(reserve.For(milliseconds(15)), microseconds(960));
  EXPECT_LT(reserve.For(milliseconds(15)), microseconds(1040));
}

TEST(ReplyReserveTest, ForgetsABadMoment) {
  telemetry::DurationHistogram costs, lateness;
  ReplyReserve reserve(microseconds(200), costs, lateness);
  for (int i = 0; i < 100; ++i) reserve.Record(milliseconds(3));
  reserve.Update();
  EXPECT_GT(reserve.p9999(), milliseconds(2));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) reserve.Record(microseconds(10));
    reserve.Update();
  }
  EXPECT_EQ(reserve.For(milliseconds(15)), microseconds(200));
}

TEST(ReplyReserveTest, CountsTheTimersLateness) {
  telemetry::DurationHistogram costs, lateness;
  ReplyReserve reserve(microseconds(200), costs, lateness);
  for (int i = 0; i < 100; ++i) {
    reserve.Record(milliseconds(1));
    lateness.Record(milliseconds(2));
  }
  reserve.Update();
  EXPECT_GT(reserve.For(milliseconds(50)), microseconds(2900));
  EXPECT_LT(reserve.For(milliseconds(50)), microseconds(3100));
}

TEST(ReplyReserveTest, NeverTakesMoreThanAQuarterOfTheBudget) {
  telemetry::DurationHistogram costs, lateness;
  ReplyReserve reserve(microseconds(200), costs, lateness);
  reserve.Record(std::chrono::seconds(1));
  reserve.Update();
  EXPECT_EQ(reserve.For(milliseconds(16)), milliseconds(4));
}

}  // namespace
}  // namespace punctual
