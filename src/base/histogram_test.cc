#include "base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace punctual {
namespace {

TEST(HistogramTest, EveryDurationIsWithinItsBucketAndBucketsRise) {
  for (std::size_t i = 1; i < kHistogramBuckets; ++i) EXPECT_GT(HistogramBucketEnd(i), HistogramBucketEnd(i - 1));
  for (std::int64_t ns = 0; ns < (1ll << 41); ns = ns * 5 / 4 + 1) {
    const std::size_t bucket = HistogramBucket(Duration(ns));
    ASSERT_LT(bucket, kHistogramBuckets);
    if (bucket == kHistogramBuckets - 1) continue;
    EXPECT_LE(ns, HistogramBucketEnd(bucket).count());
    EXPECT_TRUE(bucket == 0 || ns > HistogramBucketEnd(bucket - 1).count()) << ns;
  }
}

TEST(HistogramTest, QuantilesAreWithinThreePercentOfTheSortedValues) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> draw(12, 2);
  Histogram histogram;
  std::vector<double> values;
  for (int i = 0; i < 20000; ++i) {
    const double ns = std::floor(draw(random));
    values.push_back(ns);
    histogram.Record(Duration(static_cast<std::int64_t>(ns)));
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = values[static_cast<std::size_t>(std::ceil(q * 20000)) - 1];
    EXPECT_NEAR(static_cast<double>(histogram.Quantile(q).count()), exact, exact * 0.032 + 1) << q;
  }
  EXPECT_EQ(static_cast<double>(histogram.Quantile(1).count()), values.back());
}

TEST(HistogramTest, AnEmptyHistogramSaysZero) {
  EXPECT_EQ(Histogram().Quantile(0.99).count(), 0);
  EXPECT_EQ(Histogram().CountUpTo(std::chrono::seconds(1)), 0u);
}

TEST(HistogramTest, NegativeAndHugeDurationsAreCountedAtTheEnds) {
  Histogram histogram;
  histogram.Record(Duration(-5));
  histogram.Record(std::chrono::hours(10));
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.CountUpTo(Duration(0)), 1u);
}

}  // namespace
}  // namespace punctual
