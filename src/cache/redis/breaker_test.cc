#include "cache/redis/breaker.h"

#include <gtest/gtest.h>

#include "cache/redis/estimate.h"

namespace punctual::redis {
namespace {

using namespace std::chrono_literals;

class BreakerTest : public testing::Test {
 protected:
  // Fails until it opens; the number of failures that took.
  int FailUntilOpen(Duration apart) {
    for (int i = 1;; ++i, now_ += apart)
      if (breaker_.OnFailure(now_)) return i;
  }

  TimePoint now_{1h};
  BreakerOptions options_;
  Breaker breaker_{options_, 1};
};

TEST_F(BreakerTest, AdmitsNothingBeforeItWasProbed) {
  EXPECT_FALSE(breaker_.admits());
  breaker_.OnProbeStarted();
  EXPECT_EQ(breaker_.state(), Breaker::State::kConnecting);
  EXPECT_FALSE(breaker_.admits());
  breaker_.OnProbed();
  EXPECT_TRUE(breaker_.admits());
}

TEST_F(BreakerTest, OpensAfterFiveFailuresInARow) {
  breaker_.OnProbed();
  EXPECT_EQ(FailUntilOpen(5ms), 5);
  EXPECT_EQ(breaker_.state(), Breaker::State::kOpen);
  EXPECT_FALSE(breaker_.OnFailure(now_)) << "it is open already";
}

TEST_F(BreakerTest, AnAnswerBeginsTheRowAnew) {
  breaker_.OnProbed();
  for (int i = 0; i < 4; ++i, now_ += 5ms) EXPECT_FALSE(breaker_.OnFailure(now_));
  breaker_.OnAnswered();
  EXPECT_EQ(FailUntilOpen(5ms), 5);
}

TEST_F(BreakerTest, ManyFailuresOfOneMomentAreOneHiccup) {
  breaker_.OnProbed();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(breaker_.OnFailure(now_));
  EXPECT_TRUE(breaker_.OnFailure(now_ + options_.span));
}

TEST_F(BreakerTest, IsHalfOpenWhileItIsTriedAgain) {
  breaker_.OnProbed();
  breaker_.Open(now_);
  breaker_.OnProbeStarted();
  EXPECT_EQ(breaker_.state(), Breaker::State::kHalfOpen);
  EXPECT_FALSE(breaker_.admits());
}

TEST_F(BreakerTest, PausesDoubleUpToTheirBoundWithJitter) {
  Duration longest = options_.backoff_min;
  for (int i = 0; i < 50; ++i) {
    breaker_.Open(now_);
    const Duration pause = breaker_.retry_at() - now_;
    EXPECT_GE(pause, longest / 2);
    EXPECT_LE(pause, longest);
    longest = std::min(2 * longest, options_.backoff_max);
  }
}

TEST_F(BreakerTest, OnlyWhatWasAnsweredShortensThePauseAgain) {
  for (int i = 0; i < 10; ++i) breaker_.Open(now_);
  breaker_.OnProbeStarted();
  breaker_.OnProbed();
  breaker_.Open(now_);
  EXPECT_GE(breaker_.retry_at() - now_, options_.backoff_max / 2) << "a probe alone proves little";
  breaker_.OnProbed();
  breaker_.OnAnswered();
  breaker_.Open(now_);
  EXPECT_LE(breaker_.retry_at() - now_, options_.backoff_min);
}

TEST(EstimateTest, FollowsWhatItSees) {
  Estimate estimate;
  EXPECT_TRUE(estimate.empty());
  for (int i = 0; i < 100; ++i) estimate.Add(200us);
  EXPECT_NEAR(static_cast<double>(estimate.expected().count()), 200'000, 1'000);
  for (int i = 0; i < 100; ++i) estimate.Add(i % 2 == 0 ? 100us : 300us);
  EXPECT_GT(estimate.expected(), 300us) << "what varies is expected to take longer than its mean";
  EXPECT_LT(estimate.mean(), 250us);
}

}  // namespace
}  // namespace punctual::redis
