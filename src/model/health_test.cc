#include "model/health.h"

#include <gtest/gtest.h>

namespace punctual {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const TimePoint kNow{seconds(1000)};

TEST(ModelHealthTest, OpensWhenFailuresComeThickAndSaysWhy) {
  ModelHealth health;
  EXPECT_FALSE(health.OnFailure(kNow, kNow, "NaN"));
  EXPECT_FALSE(health.OnFailure(kNow, kNow, "NaN"));
  EXPECT_FALSE(health.open());
  EXPECT_EQ(health.Summary(), "");
  EXPECT_TRUE(health.OnFailure(kNow, kNow, "NaN again"));
  EXPECT_TRUE(health.open());
  EXPECT_EQ(health.Summary(), "NaN again");
}

TEST(ModelHealthTest, AFailureNowAndThenDoesNotOpenIt) {
  ModelHealth health;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(health.OnFailure(kNow, kNow, "now and then"));
    for (int well = 0; well < 9; ++well) health.OnSuccess(kNow, kNow);
  }
  EXPECT_FALSE(health.open());
}

TEST(ModelHealthTest, EveryOtherFailingDoes) {
  ModelHealth health;
  bool opened = false;
  for (int i = 0; i < 10 && !opened; ++i) {
    opened = health.OnFailure(kNow, kNow, "often");
    if (!opened) health.OnSuccess(kNow, kNow);
  }
  EXPECT_TRUE(opened);
}

void OpenIt(ModelHealth& health, TimePoint now) {
  while (!health.OnFailure(now, now, "fails")) {
  }
}

TEST(ModelHealthTest, OneProbeAPauseAndTheFirstThatIsWellClosesIt) {
  ModelHealth health;
  EXPECT_FALSE(health.MayProbe(kNow));
  OpenIt(health, kNow);
  EXPECT_FALSE(health.MayProbe(kNow));
  EXPECT_TRUE(health.MayProbe(kNow + ModelHealth::kFirstPause));
  EXPECT_FALSE(health.MayProbe(kNow + ModelHealth::kFirstPause));
  EXPECT_TRUE(health.OnSuccess(kNow + seconds(1), kNow + seconds(1)));
  EXPECT_FALSE(health.open());
  EXPECT_FALSE(health.MayProbe(kNow + seconds(100)));
  EXPECT_FALSE(health.OnSuccess(kNow + seconds(2), kNow + seconds(2)));  // it was closed before
}

TEST(ModelHealthTest, ARunThatHangsAndItsReturnMayBeToldInAnyOrder) {
  const auto may_probe_after = [](auto tell) {
    ModelHealth health;
    WatchedRun run;
    tell(run, health);
    return health.MayProbe(kNow + seconds(100));
  };
  EXPECT_FALSE(may_probe_after([](WatchedRun& run, ModelHealth& health) { EXPECT_TRUE(run.OnHung(health, kNow)); }));
  EXPECT_TRUE(may_probe_after([](WatchedRun& run, ModelHealth& health) {
    EXPECT_TRUE(run.OnHung(health, kNow));
    run.OnReturned(health);
    run.OnReturned(health);
  }));
  EXPECT_TRUE(may_probe_after([](WatchedRun& run, ModelHealth& health) {
    run.OnReturned(health);
    EXPECT_TRUE(run.OnHung(health, kNow));
  }));
}

TEST(ModelHealthTest, PausesGrowToABoundAndAreShortAgainAfterAWhileOfHealth) {
  ModelHealth health;
  OpenIt(health, kNow);
  TimePoint now = kNow;
  Duration pause = ModelHealth::kFirstPause;
  for (int probe = 0; probe < 12; ++probe) {
    EXPECT_FALSE(health.MayProbe(now + pause - milliseconds(1)));
    now += pause;
    EXPECT_TRUE(health.MayProbe(now));
    health.OnFailure(now, now, "still");
    pause = std::min(2 * pause, ModelHealth::kLongestPause);
  }
  EXPECT_EQ(pause, ModelHealth::kLongestPause);
  now += pause;
  ASSERT_TRUE(health.MayProbe(now));
  health.OnSuccess(now, now);
  now += seconds(60);
  OpenIt(health, now);
  EXPECT_TRUE(health.MayProbe(now + ModelHealth::kFirstPause));
}

TEST(ModelHealthTest, OneThatWasJustClosedOpensAtTheNextFailure) {
  ModelHealth health;
  OpenIt(health, kNow);
  health.OnSuccess(kNow + seconds(1), kNow + seconds(1));
  ASSERT_FALSE(health.open());
  EXPECT_TRUE(health.OnFailure(kNow + seconds(1), kNow + seconds(1), "again"));
}

TEST(ModelHealthTest, RunsThatFailSideBySideAreOneFailure) {
  ModelHealth health;
  const TimePoint began = kNow - milliseconds(10);  // a stall of the machine, say, in which many were running
  for (int run = 0; run < 10; ++run) EXPECT_FALSE(health.OnFailure(began, kNow, "far over its time"));
  EXPECT_FALSE(health.open());
  EXPECT_FALSE(health.OnFailure(kNow, kNow + milliseconds(1), "once more"));
  EXPECT_TRUE(health.OnFailure(kNow + milliseconds(2), kNow + milliseconds(3), "and again"));
  // Nor are those that began before it opened taken for probes: the pause stays as it is, and it stays open.
  EXPECT_FALSE(health.OnFailure(kNow + milliseconds(2), kNow + milliseconds(4), "still"));
  health.OnSuccess(kNow + milliseconds(2), kNow + milliseconds(4));
  EXPECT_TRUE(health.open());
  EXPECT_TRUE(health.MayProbe(kNow + milliseconds(3) + ModelHealth::kFirstPause));
}

TEST(ModelHealthTest, WhileARunHangsNothingIsTried) {
  ModelHealth health;
  EXPECT_TRUE(health.OnHung(kNow));
  EXPECT_TRUE(health.open());
  EXPECT_FALSE(health.MayProbe(kNow + seconds(1000)));
  health.OnSuccess(kNow + seconds(1), kNow + seconds(1));  // of one that ran beside it
  EXPECT_TRUE(health.open());
  health.OnReturned();
  EXPECT_TRUE(health.MayProbe(kNow + seconds(1000)));
  health.OnSuccess(kNow + seconds(1001), kNow + seconds(1001));
  EXPECT_FALSE(health.open());
}

}  // namespace
}  // namespace punctual
