#include "model/split_bins.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "market/random.h"

namespace punctual {
namespace {

constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
constexpr SplitMode kModes[] = {SplitMode::kLessOrEqual, SplitMode::kLess,  SplitMode::kGreaterOrEqual,
                                SplitMode::kGreater,     SplitMode::kEqual, SplitMode::kNotEqual};

bool Branch(SplitMode mode, float value, float threshold) {
  switch (mode) {
    case SplitMode::kLessOrEqual: return value <= threshold;
    case SplitMode::kLess: return value < threshold;
    case SplitMode::kGreaterOrEqual: return value >= threshold;
    case SplitMode::kGreater: return value > threshold;
    case SplitMode::kEqual: return value == threshold;
    case SplitMode::kNotEqual: break;
  }
  return value != threshold;
}

std::uint32_t BinOf(const SplitBins& bins, float value) {
  std::uint32_t bin = 0;
  bins.Encode({&value, 1}, std::as_writable_bytes(std::span(&bin, 1)));
  return bin;
}

float CanonicalOf(const SplitBins& bins, float value) {
  bins.Canonicalise({&value, 1});
  return value;
}

TEST(SplitBinsTest, ValuesOfOneBinTakeTheSameBranches) {
  Random random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::pair<SplitMode, float>> splits;
    SplitBins bins(1);
    std::vector<float> values = {0.0f, -0.0f, kMax, -kMax, kDenormal, -kDenormal};
    for (std::uint64_t i = random.Below(8); i > 0; --i) {
      const float threshold = static_cast<float>(random.Below(9)) / 2 - 2;
      splits.emplace_back(kModes[random.Below(6)], random.Chance(0.1) ? kDenormal : threshold);
      bins.Add(0, splits.back().first, splits.back().second);
    }
    bins.Finish();
    for (const auto& [mode, threshold] : splits)
      for (const float value : {threshold, std::nextafter(threshold, kMax), std::nextafter(threshold, -kMax)})
        values.push_back(value);
    for (int i = 0; i < 10; ++i) values.push_back(static_cast<float>(random.Uniform() * 6 - 3));
    for (const float a : values) {
      ASSERT_EQ(BinOf(bins, CanonicalOf(bins, a)), BinOf(bins, a)) << a;
      for (const float b : values) {
        bool same = true;
        for (const auto& [mode, threshold] : splits)
          same = same && Branch(mode, a, threshold) == Branch(mode, b, threshold);
        ASSERT_TRUE(same || BinOf(bins, a) != BinOf(bins, b)) << a << " " << b;
      }
    }
  }
}

TEST(SplitBinsTest, BinsAreNoFinerThanTheThresholds) {
  SplitBins bins(1);
  bins.Add(0, SplitMode::kLess, 1);
  bins.Add(0, SplitMode::kGreaterOrEqual, 1);
  bins.Add(0, SplitMode::kLessOrEqual, 2);
  bins.Finish();
  EXPECT_EQ(BinOf(bins, -kMax), 0u);
  EXPECT_EQ(BinOf(bins, std::nextafter(1.0f, 0.0f)), 0u);
  EXPECT_EQ(BinOf(bins, 1), 1u);
  EXPECT_EQ(BinOf(bins, 2), 1u);
  EXPECT_EQ(BinOf(bins, std::nextafter(2.0f, 3.0f)), 2u);
  EXPECT_EQ(BinOf(bins, kMax), 2u);
}

TEST(SplitBinsTest, ZeroAndMinusZeroAreOneNumber) {
  for (const SplitMode mode : kModes)
    for (const float threshold : {0.0f, -0.0f}) {
      SplitBins bins(1);
      bins.Add(0, mode, threshold);
      bins.Finish();
      EXPECT_EQ(BinOf(bins, 0.0f), BinOf(bins, -0.0f));
      // What stands for a bin beside zero is a number that no engine takes for zero.
      for (const float value : {kDenormal, -kDenormal, 5.0f, -5.0f}) {
        const float canonical = CanonicalOf(bins, value);
        EXPECT_TRUE(canonical == 0 || std::isnormal(canonical)) << canonical;
      }
    }
}

TEST(SplitBinsTest, AFeatureThatNoTreeAsksForIsNotToldApart) {
  SplitBins bins(2);
  bins.Add(1, SplitMode::kLess, 0);
  bins.Finish();
  std::vector<float> values = {123, -7};
  std::vector<std::uint32_t> codes(2);
  bins.Encode(values, std::as_writable_bytes(std::span(codes)));
  EXPECT_THAT(codes, ::testing::ElementsAre(0u, 0u));
  bins.Canonicalise(values);
  EXPECT_EQ(values[0], 0);
  EXPECT_LT(values[1], 0);
}

}  // namespace
}  // namespace punctual
