#include "optimize/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of each symbol one after the other, every `step` snapshots a sample.
Samples Make(const std::vector<std::size_t>& counts, std::uint64_t step = 1) {
  Samples samples;
  for (std::size_t symbol = 0; symbol < counts.size(); ++symbol) {
    samples.symbols.push_back("S" + std::to_string(symbol));
    for (std::size_t i = 0; i < counts[symbol]; ++i) {
      samples.symbol.push_back(static_cast<std::uint32_t>(symbol));
      samples.snapshot.push_back(i * step);
      samples.time_ns.push_back(static_cast<std::int64_t>(i * step));
    }
  }
  return samples;
}

std::vector<std::size_t> Range(std::size_t from, std::size_t to) {
  std::vector<std::size_t> range(to - from);
  std::iota(range.begin(), range.end(), from);
  return range;
}

TEST(SplitTest, LaterPartsAreLaterAndAGapLiesBetween) {
  const Parts parts = SplitByTime(Make({200}), {.gap = 10, .least = 20}).value();
  EXPECT_EQ(parts.fit, Range(0, 120));
  EXPECT_EQ(parts.search, Range(129, 150)) << "10 after 119, the last of fit";
  EXPECT_EQ(parts.held_out, Range(159, 200));
}

TEST(SplitTest, TheGapIsOfSnapshotsNotOfSamples) {
  const Parts parts = SplitByTime(Make({200}, 4), {.gap = 10, .least = 1}).value();
  EXPECT_EQ(parts.search.front(), 122u) << "3 samples are 12 snapshots";
  const Parts close = SplitByTime(Make({200}, 4), {.gap = 4, .least = 1}).value();
  EXPECT_EQ(close.search.front(), 120u);
}

TEST(SplitTest, EachSymbolIsSplitByItself) {
  const Parts parts = SplitByTime(Make({40, 20}), {.shares = {2, 1, 1}, .least = 5}).value();
  std::vector<std::size_t> fit = Range(0, 20), second = Range(40, 50);
  fit.insert(fit.end(), second.begin(), second.end());
  EXPECT_EQ(parts.fit, fit);
  EXPECT_EQ(parts.held_out.front(), 30u);
  EXPECT_EQ(parts.held_out.back(), 59u);
}

TEST(SplitTest, AllWithoutAGapAreUsed) {
  const Parts parts = SplitByTime(Make({1000})).value();
  EXPECT_EQ(parts.fit.size() + parts.search.size() + parts.held_out.size(), 1000u);
}

TEST(SplitTest, TooFewSayHowManyItTakesAndSoManyAreEnough) {
  const SplitOptions options{.gap = 100};
  const auto error = SplitByTime(Make({1000, 300}), options).error();
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_THAT(error.message, HasSubstr("S1: the part search would have 0, it takes 30; there are 300 in all, it takes "
                                       "about 861 with a gap of 100 snapshots"));
  EXPECT_TRUE(SplitByTime(Make({861}), options).has_value());
  EXPECT_TRUE(SplitByTime(Make({850}), options).has_error());
  EXPECT_TRUE(SplitByTime({}, options).has_error());
}

TEST(SplitTest, WhatIsNotInOrderAndSharesThatAreNoneAreRefused) {
  Samples samples = Make({100});
  std::swap(samples.snapshot[3], samples.snapshot[4]);
  EXPECT_THAT(SplitByTime(samples).error().message, HasSubstr("sample 4 is earlier than sample 3"));
  samples = Make({100});
  samples.time_ns[7] = 0;
  EXPECT_THAT(SplitByTime(samples).error().message, HasSubstr("sample 7 is earlier"));
  EXPECT_THAT(SplitByTime(Make({100}), {.shares = {1, 0, 1}}).error().message, HasSubstr("shares: that of search"));
  EXPECT_THAT(SplitByTime(Make({100}), {.gap = 0}).error().message, HasSubstr("gap"));
  EXPECT_THAT(SplitByTime(Make({100}), {.least = 0}).error().message, HasSubstr("least"));
}

}  // namespace
}  // namespace punctual::optimize
