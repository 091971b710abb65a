#include "optimize/block_bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "market/random.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

std::vector<double> Ones(std::size_t count) { return std::vector<double>(count, 1.0); }
std::vector<std::uint32_t> OneSymbol(std::size_t count) { return std::vector<std::uint32_t>(count, 0); }

// 0 and 1, of which a share of `share` is 1; each is, with the probability `stays`, what the one before it was.
std::vector<double> Sticky(Random& random, std::size_t count, double share, double stays) {
  std::vector<double> series;
  for (std::size_t i = 0; i < count; ++i)
    series.push_back(i > 0 && random.Chance(stays) ? series.back() : random.Chance(share) ? 1.0 : 0.0);
  return series;
}

TEST(BlockBootstrapTest, WhatNeverVariesHasAnIntervalWithoutWidth) {
  for (const double value : {0.0, 1.0}) {
    const std::vector<double> part(100, value);
    const Estimate estimate = EstimateRatio(part, Ones(100), OneSymbol(100)).value();
    EXPECT_EQ(estimate.value, value);
    EXPECT_EQ(estimate.low, value);
    EXPECT_EQ(estimate.high, value);
  }
}

TEST(BlockBootstrapTest, OfIndependentSamplesItIsTheTextbooksInterval) {
  Random random(3);
  const std::vector<double> part = Sticky(random, 4000, 0.3, 0);
  const Estimate estimate = EstimateRatio(part, Ones(4000), OneSymbol(4000), {.block = 1, .resamples = 20'000}).value();
  const double half = 1.96 * std::sqrt(estimate.value * (1 - estimate.value) / 4000);
  EXPECT_NEAR(estimate.low, estimate.value - half, half / 20);
  EXPECT_NEAR(estimate.high, estimate.value + half, half / 20);
}

TEST(BlockBootstrapTest, ASeedGivesTheSameAndAnotherNearlyTheSame) {
  Random random(5);
  const std::vector<double> part = Sticky(random, 1000, 0.2, 0.8);
  const auto estimate = [&](std::uint64_t seed) {
    return EstimateRatio(part, Ones(1000), OneSymbol(1000), {.seed = seed}).value();
  };
  EXPECT_EQ(estimate(1).low, estimate(1).low);
  EXPECT_EQ(estimate(1).high, estimate(1).high);
  EXPECT_NE(estimate(1).low, estimate(2).low);
  EXPECT_NEAR(estimate(1).low, estimate(2).low, 0.02);
}

TEST(BlockBootstrapTest, SymbolsAreNotMixed) {
  // All that varies is which symbol it is: drawn of each by itself, nothing varies.
  std::vector<double> part;
  std::vector<std::uint32_t> symbol;
  for (std::size_t i = 0; i < 400; ++i) {
    symbol.push_back(i % 2);
    part.push_back(i % 2);
  }
  const Estimate estimate = EstimateRatio(part, Ones(400), symbol).value();
  EXPECT_EQ(estimate.value, 0.5);
  EXPECT_EQ(estimate.low, 0.5);
  EXPECT_EQ(estimate.high, 0.5);
}

TEST(BlockBootstrapTest, BlocksGrowWithHowLongSamplesResembleEachOther) {
  Random random(7);
  const std::size_t independent = BlockLength(Sticky(random, 4000, 0.3, 0));
  const std::size_t some = BlockLength(Sticky(random, 4000, 0.3, 0.8));
  const std::size_t much = BlockLength(Sticky(random, 4000, 0.3, 0.97));
  EXPECT_EQ(independent, 32u) << "twice the cube root";
  EXPECT_GT(some, independent * 3 / 2);
  EXPECT_GT(much, some);
  EXPECT_LE(much, 189u);
  EXPECT_EQ(BlockLength(Ones(4000)), 32u);
  EXPECT_EQ(BlockLength(Ones(3)), 1u);
  EXPECT_EQ(BlockLength({}), 1u);
}

// Of 400 days of one market, each with other errors, how many intervals have the true share in them.
double Coverage(double share, double stays, const BootstrapOptions& options) {
  constexpr int kDays = 400;
  constexpr std::size_t kSamples = 1500;
  Random random(11);
  int covered = 0;
  for (int day = 0; day < kDays; ++day) {
    const Estimate estimate =
        EstimateRatio(Sticky(random, kSamples, share, stays), Ones(kSamples), OneSymbol(kSamples), options).value();
    covered += estimate.low <= share && share <= estimate.high;
  }
  return static_cast<double>(covered) / kDays;
}

TEST(BlockBootstrapTest, TheIntervalHasTheTruthAboutAsOftenAsItSays) {
  for (const double stays : {0.0, 0.7, 0.95}) {
    const double at_95 = Coverage(0.3, stays, {.resamples = 500});
    EXPECT_GE(at_95, 0.91) << stays;
    EXPECT_LE(at_95, 0.98) << stays;
    const double at_80 = Coverage(0.3, stays, {.resamples = 500, .confidence = 0.8});
    EXPECT_GE(at_80, 0.73) << stays;
    EXPECT_LE(at_80, 0.87) << stays;
  }
}

TEST(BlockBootstrapTest, RareErrorsThatComeInRunsAreNotTakenForRarerThanTheyMayBe) {
  const double coverage = Coverage(0.03, 0.7, {.resamples = 500});
  EXPECT_GE(coverage, 0.90);
  EXPECT_LE(coverage, 0.98);
}

TEST(BlockBootstrapTest, WithoutBlocksItWouldBeFarTooSureOfItself) {
  EXPECT_LE(Coverage(0.3, 0.95, {.block = 1, .resamples = 500}), 0.5);
}

TEST(BlockBootstrapTest, WhatCannotBeEstimatedIsRefused) {
  const auto error = [](std::size_t count, const BootstrapOptions& options) {
    return EstimateRatio(Ones(count), Ones(count), OneSymbol(count), options).error().message;
  };
  EXPECT_THAT(error(0, {}), HasSubstr("none"));
  EXPECT_THAT(error(10, {.block = 6}), HasSubstr("runs of 6 samples do not fit twice into the 10"));
  EXPECT_THAT(error(10, {.resamples = 1}), HasSubstr("resamples"));
  EXPECT_THAT(error(10, {.confidence = 1}), HasSubstr("confidence"));
  EXPECT_THAT(EstimateRatio(Ones(3), Ones(4), OneSymbol(4)).error().message, HasSubstr("there are 3, 4 wholes"));
}

}  // namespace
}  // namespace punctual::optimize
