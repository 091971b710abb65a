#include "optimize/value_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace punctual::optimize {
namespace {

// Of numbers that go through codes of that range.
double SquaredError(const std::vector<float>& numbers, const ValueRange& range) {
  const double scale = (static_cast<double>(range.high) - range.low) / 255, zero = std::round(-range.low / scale);
  double sum = 0;
  for (const float number : numbers) {
    const double code = std::clamp(std::nearbyint(number / scale) + zero, 0.0, 255.0);
    sum += std::pow(number - scale * (code - zero), 2);
  }
  return sum;
}

std::vector<float> Normal(std::size_t count) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(random);
  return numbers;
}

TEST(ValueHistogramTest, EveryNumberIsInABinThatHoldsItHoweverTheBinsGrew) {
  std::vector<float> numbers = {1e-30f, -1e-30f, 2e-5f, -0.5f, 0.25f, 1.0f, -1.0f, 3.99f, -4.0f, 4.0f, 1e6f, -3e9f};
  const std::vector<float> more = Normal(1000);
  numbers.insert(numbers.end(), more.begin(), more.end());
  for (std::size_t upto = 1; upto <= numbers.size(); upto += upto < 16 ? 1 : 100) {
    const std::vector<float> some(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(upto));
    ValueHistogram histogram;
    ASSERT_TRUE(histogram.Add(some));
    const auto bins = histogram.bins();
    std::uint64_t counted = 0;
    for (const auto& bin : bins) {
      const auto held = std::count_if(some.begin(), some.end(), [&](float number) {
        return number >= bin.from && (number < bin.to || (number == bin.to && number == histogram.high()));
      });
      EXPECT_EQ(bin.count, static_cast<std::uint64_t>(held)) << bin.from << " to " << bin.to;
      counted += bin.count;
    }
    EXPECT_EQ(counted, some.size());
    EXPECT_LE(bins.size(), 4096u);
  }
}

TEST(ValueHistogramTest, ItsBinsAreAThousandthOfTheLargestNumberAtMost) {
  ValueHistogram histogram;
  ASSERT_TRUE(histogram.Add(Normal(10'000)));
  const double largest = std::max(histogram.high(), -histogram.low());
  for (const auto& bin : histogram.bins()) EXPECT_LE(bin.to - bin.from, largest / 1000);
}

TEST(ValueHistogramTest, NumbersThatAreNotFiniteAreRefused) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    ValueHistogram histogram;
    EXPECT_FALSE(histogram.Add(std::vector<float>{1, bad, 2}));
  }
}

TEST(ValueHistogramTest, NumbersThatAreAllTheSameAreConstant) {
  ValueHistogram histogram;
  EXPECT_TRUE(histogram.is_constant());
  ASSERT_TRUE(histogram.Add(std::vector<float>{2, 2, 2}));
  EXPECT_TRUE(histogram.is_constant());
  ASSERT_TRUE(histogram.Add(std::vector<float>{0}));
  EXPECT_FALSE(histogram.is_constant());
}

TEST(ChooseRangeTest, EveryRangeHasZero) {
  for (const auto method : {RangeMethod::kMinMax, RangeMethod::kPercentile, RangeMethod::kMeanSquaredError})
    for (const float sign : {1.0f, -1.0f}) {
      ValueHistogram histogram;
      ASSERT_TRUE(histogram.Add(std::vector<float>{sign * 3, sign * 4, sign * 5}));
      const ValueRange range = ChooseRange(histogram, method);
      EXPECT_EQ(sign > 0 ? range.low : range.high, 0);
      EXPECT_GT(sign > 0 ? range.high : -range.low, 3);
    }
}

TEST(ChooseRangeTest, APercentileLeavesItsShareOutside) {
  const std::vector<float> numbers = Normal(100'000);
  ValueHistogram histogram;
  ASSERT_TRUE(histogram.Add(numbers));
  for (const double percentile : {99.0, 99.9, 99.99}) {
    const ValueRange range = ChooseRange(histogram, RangeMethod::kPercentile, percentile);
    const auto outside = std::count_if(numbers.begin(), numbers.end(),
                                       [&](float number) { return number < range.low || number > range.high; });
    EXPECT_NEAR(static_cast<double>(outside), 1e5 * (100 - percentile) / 100, 1e5 * (100 - percentile) / 100 * 0.1 + 5);
  }
  const ValueRange all = ChooseRange(histogram, RangeMethod::kPercentile, 100);
  EXPECT_EQ(all.low, histogram.low());
  EXPECT_EQ(all.high, histogram.high());
}

TEST(ChooseRangeTest, LeastSquaredErrorIsLessThanThatOfTheOthers) {
  std::vector<float> numbers = Normal(400'000);
  numbers.push_back(30);
  for (const bool is_rectified : {false, true}) {
    if (is_rectified)
      for (float& number : numbers) number = std::max(number, 0.0f);
    ValueHistogram histogram;
    ASSERT_TRUE(histogram.Add(numbers));
    const double least = SquaredError(numbers, ChooseRange(histogram, RangeMethod::kMeanSquaredError));
    EXPECT_LT(least, 0.95 * SquaredError(numbers, ChooseRange(histogram, RangeMethod::kMinMax)));
    EXPECT_LT(least, SquaredError(numbers, ChooseRange(histogram, RangeMethod::kPercentile)));
    // No end that is drawn in evenly does better by more than the search's own steps.
    for (double share = 0.1; share <= 1; share += 0.1)
      EXPECT_GT(SquaredError(numbers, {static_cast<float>(histogram.low() * share),
                                       static_cast<float>(histogram.high() * share)}),
                0.97 * least);
  }
}

TEST(ChooseRangeTest, WithoutOutliersNothingIsCutOff) {
  std::vector<float> numbers;
  for (int i = -1000; i <= 1000; ++i) numbers.push_back(static_cast<float>(i) / 100);
  ValueHistogram histogram;
  ASSERT_TRUE(histogram.Add(numbers));
  const ValueRange range = ChooseRange(histogram, RangeMethod::kMeanSquaredError);
  EXPECT_GT(range.high, 9.5);
  EXPECT_LT(range.low, -9.5);
}

}  // namespace
}  // namespace punctual::optimize
