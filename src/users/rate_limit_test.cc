#include "users/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

double SecondsOf(Duration duration) { return static_cast<double>(duration.count()) / 1e9; }

TEST(TokenBucketTest, ABurstPassesAndThenTheRate) {
  FakeClock clock;
  TokenBucket bucket({10, 5});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(bucket.Take(clock.Now()).passed()) << i;
  EXPECT_EQ(bucket.Take(clock.Now()).retry_after, milliseconds(100));
  clock.Advance(milliseconds(99));
  EXPECT_EQ(bucket.Take(clock.Now()).retry_after, milliseconds(1));
  clock.Advance(milliseconds(1));
  EXPECT_TRUE(bucket.Take(clock.Now()).passed());
  EXPECT_FALSE(bucket.Take(clock.Now()).passed());
}

TEST(TokenBucketTest, TheDefaultBurstIsATenthOfASecondsAndOneAtLeast) {
  EXPECT_EQ(TokenBucket({1000}).burst(), 100);
  EXPECT_EQ(TokenBucket({3}).burst(), 1);
}

TEST(TokenBucketTest, AfterRetryAfterThereIsAToken) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    FakeClock clock;
    TokenBucket bucket({std::exp(std::uniform_real_distribution(-6.0, 13.0)(random)), 1 + random() % 20 / 4.0});
    for (int i = 0; i < 50; ++i) {
      const Duration wait = bucket.Take(clock.Now()).retry_after;
      if (wait == Duration::zero()) continue;
      clock.Advance(wait - Duration(1));
      ASSERT_FALSE(bucket.Take(clock.Now()).passed());
      clock.Advance(Duration(1));
      ASSERT_TRUE(bucket.Take(clock.Now()).passed());
    }
  }
}

// What a bucket of tokens is, step by step and in floating point.
class NaiveBucket {
 public:
  NaiveBucket(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}
  double TokensAt(TimePoint now) {
    tokens_ = std::min(burst_, tokens_ + rate_ * SecondsOf(now - seen_));
    seen_ = now;
    return tokens_;
  }
  void Take() { tokens_ -= 1; }
  void GiveBack() { tokens_ += 1; }

 private:
  const double rate_, burst_;
  double tokens_;
  TimePoint seen_{};
};

TEST(TokenBucketTest, OverNoIntervalMoreThanBurstAndRatePassAndNoTokenIsLost) {
  std::mt19937 random(11);
  for (int round = 0; round < 100; ++round) {
    FakeClock clock;
    const double rate = std::exp(std::uniform_real_distribution(-3.0, 11.0)(random));
    const double burst = 1 + random() % 40 / 4.0;
    TokenBucket bucket({rate, burst});
    NaiveBucket naive(rate, burst);
    std::vector<TimePoint> passed;
    for (int i = 0; i < 400; ++i) {
      // Mostly in bursts, at times after a pause in which the bucket may get full.
      const double intervals = random() % 8 != 0 ? 0.2 * (random() % 10) : static_cast<double>(random() % 30);
      clock.Advance(Duration(static_cast<std::int64_t>(intervals * 1e9 / rate)));
      const double tokens = naive.TokensAt(clock.Now());
      const auto taken = bucket.Take(clock.Now());
      // An interval is a whole number of nanoseconds: near a whole token the two may differ.
      if (std::abs(tokens - 1) > 0.01) {
        ASSERT_EQ(taken.passed(), tokens > 1) << tokens;
      }
      if (!taken.passed()) continue;
      naive.Take();
      if (random() % 4 == 0) {  // somebody further on refused it
        bucket.GiveBack(taken);
        naive.GiveBack();
        continue;
      }
      passed.push_back(clock.Now());
    }
    for (std::size_t first = 0; first < passed.size(); ++first)
      for (std::size_t last = first; last < passed.size(); ++last)
        ASSERT_LE(static_cast<double>(last - first + 1), burst + rate * SecondsOf(passed[last] - passed[first]) + 1e-6);
  }
}

TEST(TokenBucketTest, ATokenGivenBackMayBeTakenAgain) {
  const TimePoint now(seconds(100));
  TokenBucket bucket({1, 3});
  const auto first = bucket.Take(now), second = bucket.Take(now);
  bucket.GiveBack(first);
  bucket.GiveBack(second);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.Take(now).passed());
  EXPECT_FALSE(bucket.Take(now).passed());
}

TEST(TokenBucketTest, ATokenThatCameBackByItselfIsNotGivenTwice) {
  const TimePoint now(seconds(100)), later = now + milliseconds(1500);
  TokenBucket bucket({1, 1});
  const auto slow = bucket.Take(now);
  ASSERT_TRUE(slow.passed());
  ASSERT_TRUE(bucket.Take(later).passed());  // full again, and empty now
  bucket.GiveBack(slow);
  EXPECT_FALSE(bucket.Take(later).passed());
}

TEST(TokenBucketTest, ManyThreadsTogetherGetNoMoreThanThereIsAndNoLess) {
  TokenBucket bucket({0.001, 10'000});
  const TimePoint now(seconds(100));
  std::atomic<int> passed = 0;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 5'000; ++i) {
        const auto taken = bucket.Take(now);
        if (!taken.passed()) continue;
        if ((i + t) % 3 == 0)
          bucket.GiveBack(taken);
        else
          passed.fetch_add(1);
      }
    });
  for (std::thread& thread : threads) thread.join();
  while (bucket.Take(now).passed()) passed.fetch_add(1);
  EXPECT_EQ(passed.load(), 10'000);
}

TEST(RateLimitTest, WhatCannotWorkIsNamed) {
  EXPECT_TRUE(RateLimit{}.Check("").has_value());
  EXPECT_TRUE((RateLimit{1e6, 1e6}.Check("").has_value()));
  EXPECT_TRUE((RateLimit{0.001, 1}.Check("").has_value()));
  EXPECT_TRUE(RateLimit{0.0001}.Check("").has_error());
  EXPECT_TRUE(RateLimit{std::nan("")}.Check("").has_error());
  EXPECT_TRUE((RateLimit{1, std::nan("")}.Check("").has_error()));
}

}  // namespace
}  // namespace punctual
