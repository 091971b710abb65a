#include "model/shadow_sample.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace punctual {
namespace {

TEST(ShadowSampleTest, DrawsTheShareItWasGiven) {
  const auto drawn = [](double share) {
    ShadowSample sample(share, 7);
    int count = 0;
    for (int i = 0; i < 100'000; ++i) count += sample.Draw();
    return count;
  };
  EXPECT_EQ(drawn(0), 0);
  EXPECT_EQ(drawn(1), 100'000);
  // Four standard deviations.
  EXPECT_NEAR(drawn(0.01), 1000, 126);
  EXPECT_NEAR(drawn(0.5), 50'000, 633);
}

TEST(ShadowSampleTest, TheChoiceIsTheSeeds) {
  const auto choice = [](std::uint64_t seed) {
    ShadowSample sample(0.5, seed);
    std::vector<bool> drawn;
    for (int i = 0; i < 100; ++i) drawn.push_back(sample.Draw());
    return drawn;
  };
  EXPECT_EQ(choice(1), choice(1));
  EXPECT_NE(choice(1), choice(2));
}

TEST(ShadowSampleTest, OnlySoManyWait) {
  ShadowSample sample(1, 7);
  for (int i = 0; i < ShadowSample::kMostWaiting; ++i) EXPECT_TRUE(sample.Begin());
  EXPECT_FALSE(sample.Begin());
  EXPECT_FALSE(sample.Begin());
  sample.End();
  EXPECT_TRUE(sample.Begin());
  EXPECT_FALSE(sample.Begin());
}

TEST(ShadowSampleTest, ManyThreadsDraw) {
  ShadowSample sample(0.5, 7);
  std::atomic<int> drawn = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) drawn += sample.Draw();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_NEAR(drawn, 4000, 179);
}

}  // namespace
}  // namespace punctual
