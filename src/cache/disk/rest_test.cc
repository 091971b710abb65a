#include "cache/disk/rest.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using Turn = DiskRest::Turn;

class DiskRestTest : public testing::Test {
 protected:
  Turn Ask() { return rest_.MayLook(clock_.Now()); }
  void Look(Turn turn, Duration took) {
    const TimePoint began = clock_.Now();
    clock_.Advance(took);
    rest_.Looked(turn, began, clock_.Now());
  }

  FakeClock clock_;
  DiskRest rest_{milliseconds(1)};
};

TEST_F(DiskRestTest, QuickLookUpsNeverRest) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(Ask(), Turn::kYes);
    Look(Turn::kYes, milliseconds(1));
  }
  EXPECT_EQ(rest_.slow_look_ups(), 0u);
}

TEST_F(DiskRestTest, ASlowLookUpRestsAndOneProbeWakes) {
  Look(Turn::kYes, milliseconds(2));
  EXPECT_TRUE(rest_.resting());
  EXPECT_EQ(Ask(), Turn::kNo);
  clock_.Advance(milliseconds(99));
  EXPECT_EQ(Ask(), Turn::kNo);
  clock_.Advance(milliseconds(1));
  EXPECT_EQ(Ask(), Turn::kProbe);
  EXPECT_EQ(Ask(), Turn::kNo);  // one probe at a time
  Look(Turn::kProbe, milliseconds(0));
  EXPECT_EQ(Ask(), Turn::kYes);
  EXPECT_FALSE(rest_.resting());
  EXPECT_EQ(rest_.slow_look_ups(), 1u);
}

TEST_F(DiskRestTest, RestsDoubleWhileProbesAreSlowUpToTenSeconds) {
  Look(Turn::kYes, milliseconds(2));
  Duration rest = DiskRest::kShortest;
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(rest - milliseconds(1));
    ASSERT_EQ(Ask(), Turn::kNo) << i;
    clock_.Advance(milliseconds(1));
    ASSERT_EQ(Ask(), Turn::kProbe) << i;
    Look(Turn::kProbe, milliseconds(2));
    rest = std::min<Duration>(2 * rest, DiskRest::kLongest);
  }
  EXPECT_EQ(rest, DiskRest::kLongest);
}

TEST_F(DiskRestTest, AfterAQuickProbeRestsBeginShortAgain) {
  for (int i = 0; i < 2; ++i) {
    Look(Turn::kYes, milliseconds(2));
    clock_.Advance(DiskRest::kShortest);
    ASSERT_EQ(Ask(), Turn::kProbe);
    Look(Turn::kProbe, milliseconds(0));
  }
}

TEST_F(DiskRestTest, AProbeThatWasNotUsedIsTheNextOnes) {
  Look(Turn::kYes, milliseconds(2));
  clock_.Advance(DiskRest::kShortest);
  ASSERT_EQ(Ask(), Turn::kProbe);
  rest_.NotLooked(Turn::kProbe);
  EXPECT_EQ(Ask(), Turn::kProbe);
}

TEST_F(DiskRestTest, LateOnesDoNotLengthenARest) {
  Look(Turn::kYes, milliseconds(2));
  clock_.Advance(milliseconds(50));
  Look(Turn::kYes, milliseconds(2));  // began before the rest
  clock_.Advance(milliseconds(48));
  EXPECT_EQ(Ask(), Turn::kProbe);
  EXPECT_EQ(rest_.slow_look_ups(), 2u);
}

TEST_F(DiskRestTest, StoppedForGoodStaysStopped) {
  Look(Turn::kYes, milliseconds(2));
  clock_.Advance(DiskRest::kShortest);
  ASSERT_EQ(Ask(), Turn::kProbe);
  rest_.StopForGood(-30796);
  Look(Turn::kProbe, milliseconds(0));
  clock_.Advance(std::chrono::hours(1000));
  EXPECT_EQ(Ask(), Turn::kNo);
  EXPECT_EQ(rest_.stopped_by(), -30796);
}

}  // namespace
}  // namespace punctual
