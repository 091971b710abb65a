#include "answer/brown_out.h"

#include <gtest/gtest.h>

namespace punctual {
namespace {

using std::chrono::milliseconds;
using enum BrownOutLevel;

class BrownOutTest : public ::testing::Test {
 protected:
  // Observes every 100 ms.
  void Pass(Duration time, double waiting, Duration late = {}) {
    for (const TimePoint end = now_ + time; now_ < end; now_ += milliseconds(100))
      brown_out_.Observe(now_, waiting, late);
  }
  BrownOut brown_out_;
  TimePoint now_{std::chrono::seconds(100)};
};

TEST_F(BrownOutTest, TurnsOneThingOffAfterTheOther) {
  Pass(milliseconds(500), 0.9);
  EXPECT_EQ(brown_out_.level(), kNone);
  Pass(milliseconds(500), 0.9);
  EXPECT_EQ(brown_out_.level(), kNoAudits);
  EXPECT_FALSE(brown_out_.Allows(kNoAudits));
  EXPECT_TRUE(brown_out_.Allows(kNoRedisWrites));
  Pass(milliseconds(500), 0.9);
  EXPECT_EQ(brown_out_.level(), kNoRedisWrites);
  Pass(std::chrono::seconds(10), 0.9);
  EXPECT_EQ(brown_out_.level(), kNoDiskWrites);
}

TEST_F(BrownOutTest, AMomentIsNoShortage) {
  for (int i = 0; i < 50; ++i) {
    Pass(milliseconds(300), 0.9);
    Pass(milliseconds(300), 0);
  }
  EXPECT_EQ(brown_out_.level(), kNone);
}

TEST_F(BrownOutTest, ATimerThatIsLateIsAShortageToo) {
  Pass(milliseconds(1100), 0, milliseconds(50));
  EXPECT_NE(brown_out_.level(), kNone);
}

TEST_F(BrownOutTest, TurnsThingsOnAgainMoreSlowlyAndOnlyWhenThereIsEnough) {
  Pass(std::chrono::seconds(5), 0.9);
  ASSERT_EQ(brown_out_.level(), kNoDiskWrites);
  Pass(std::chrono::seconds(10), 0.3);  // neither short nor enough: as it is
  EXPECT_EQ(brown_out_.level(), kNoDiskWrites);
  Pass(milliseconds(2100), 0.1);
  EXPECT_EQ(brown_out_.level(), kNoRedisWrites);
  Pass(std::chrono::seconds(10), 0.1);
  EXPECT_EQ(brown_out_.level(), kNone);
}

}  // namespace
}  // namespace punctual
