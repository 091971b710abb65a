// Where the numbers of one value lie, and the range that codes should span.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace punctual::optimize {

// Counts numbers in bins as it sees them; the bins grow with what comes, by merging neighbours, so that it takes the
// same 32 kB for any numbers. Not thread-safe.
class ValueHistogram {
 public:
  // False: one is not finite; those before it were counted.
  bool Add(std::span<const float> numbers);

  std::uint64_t count() const { return count_; }
  // The least and the largest. 0 as long as there are none.
  float low() const { return low_; }
  float high() const { return high_; }
  // Always the same number: nothing is known of where others would lie.
  bool is_constant() const { return low_ == high_; }

  struct Bin {
    double from, to;  // of the numbers
    std::uint64_t count;
  };
  // Those that are not empty, in rising order. Zeros are in none: every code has one for zero.
  std::vector<Bin> bins() const;

 private:
  void WidenFor(float number);

  // Bin i holds the numbers from i * width to before (i + 1) * width, kBins of them on either side of zero. The width
  // is a power of two, so that neighbours merge without remainder.
  static constexpr int kBins = 2048;
  int exponent_ = 0;  // width = 2^exponent_
  double per_width_ = 0;
  std::vector<std::uint64_t> bins_;  // of -kBins first; empty: nothing but zeros came
  std::uint64_t count_ = 0;
  float low_ = 0, high_ = 0;
};

// Zero is in every range: paddings have it, and Relu gives it.
struct ValueRange {
  float low = 0;   // <= 0
  float high = 0;  // >= 0
};

enum class RangeMethod {
  kMinMax,            // all numbers that were seen
  kPercentile,        // but for a share of the outermost, which codes then cut off
  kMeanSquaredError,  // such that codes are off by least: finer steps against what is cut off
};

// REQUIRES: percentile above 50, up to 100: between the ends lie that many percent of the numbers, and beyond each end
// half of the rest. Only of kPercentile.
ValueRange ChooseRange(const ValueHistogram& histogram, RangeMethod method, double percentile = 99.99);

}  // namespace punctual::optimize
