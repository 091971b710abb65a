#include "optimize/value_histogram.h"

#include <algorithm>
#include <cmath>

namespace punctual::optimize {
namespace {

using Bin = ValueHistogram::Bin;

// The largest number such that at most `most` lie beyond it, as near as bins tell; `bins` from the outermost inwards.
template <class Bins, class End>
double EndBeyondWhich(const Bins& bins, double most, const End& end) {
  double beyond = 0;
  for (const Bin& bin : bins) {
    beyond += static_cast<double>(bin.count);
    if (beyond > most) return end(bin);
  }
  return 0;
}

ValueRange Percentile(const ValueHistogram& histogram, double percentile) {
  const double most = static_cast<double>(histogram.count()) * (100 - percentile) / 200;
  const std::vector<Bin> bins = histogram.bins();
  std::vector<Bin> falling(bins.rbegin(), bins.rend());
  const double low = EndBeyondWhich(bins, most, [](const Bin& bin) { return bin.from; });
  const double high = EndBeyondWhich(falling, most, [](const Bin& bin) { return bin.to; });
  return {static_cast<float>(low), static_cast<float>(high)};
}

// The sum of squared errors of codes that span [low, high]: within, those of rounding; beyond, of cutting off too.
double SquaredError(const std::vector<Bin>& bins, double low, double high) {
  const double step = (high - low) / 255;
  double sum = 0;
  for (const Bin& bin : bins) {
    const double number = (bin.from + bin.to) / 2;
    const double off = number > high ? number - high : number < low ? low - number : 0;
    sum += static_cast<double>(bin.count) * (off * off + step * step / 12);
  }
  return sum;
}

// The ends are drawn in one after the other, each as far as it helps.
ValueRange LeastSquaredError(const ValueHistogram& histogram) {
  constexpr int kSteps = 50, kLeast = 5, kRounds = 3;
  const std::vector<Bin> bins = histogram.bins();
  const double low = std::min(histogram.low(), 0.0f), high = std::max(histogram.high(), 0.0f);
  double best_low = low, best_high = high, least = SquaredError(bins, low, high);
  const auto attempt = [&](double from, double to) {
    const double error = SquaredError(bins, from, to);
    if (error >= least) return;
    least = error;
    best_low = from;
    best_high = to;
  };
  for (int round = 0; round < kRounds; ++round) {
    for (int i = kLeast; i < kSteps && high > 0; ++i) attempt(best_low, high * i / kSteps);
    for (int i = kLeast; i < kSteps && low < 0; ++i) attempt(low * i / kSteps, best_high);
  }
  return {static_cast<float>(best_low), static_cast<float>(best_high)};
}

}  // namespace

bool ValueHistogram::Add(std::span<const float> numbers) {
  for (const float number : numbers) {
    if (!std::isfinite(number)) return false;
    low_ = count_ == 0 ? number : std::min(low_, number);
    high_ = count_ == 0 ? number : std::max(high_, number);
    ++count_;
    if (number == 0) continue;
    double at = std::floor(static_cast<double>(number) * per_width_);
    if (bins_.empty() || at < -kBins || at >= kBins) {
      WidenFor(number);
      at = std::floor(static_cast<double>(number) * per_width_);
    }
    ++bins_[static_cast<std::size_t>(static_cast<int>(at) + kBins)];
  }
  return true;
}

void ValueHistogram::WidenFor(float number) {
  int exponent = 0;
  (void)std::frexp(number, &exponent);  // |number| < 2^exponent
  exponent -= 11;                       // 2^11 = kBins
  static_assert(kBins == 1 << 11);
  if (bins_.empty()) {
    bins_.assign(2 * kBins, 0);
  } else {
    // Beyond 12 every bin merges into the one at its side of zero.
    const int merged = std::min(exponent - exponent_, 12);
    std::vector<std::uint64_t> wider(2 * kBins, 0);
    for (int i = -kBins; i < kBins; ++i)
      wider[static_cast<std::size_t>((i >> merged) + kBins)] += bins_[static_cast<std::size_t>(i + kBins)];
    bins_ = std::move(wider);
  }
  exponent_ = exponent;
  per_width_ = std::ldexp(1.0, -exponent_);
}

std::vector<ValueHistogram::Bin> ValueHistogram::bins() const {
  std::vector<Bin> found;
  const double width = std::ldexp(1.0, exponent_);
  for (std::size_t i = 0; i < bins_.size(); ++i)
    if (const int at = static_cast<int>(i) - kBins; bins_[i] != 0)
      found.push_back({std::max(at * width, static_cast<double>(low_)),
                       std::min((at + 1) * width, static_cast<double>(high_)), bins_[i]});
  return found;
}

ValueRange ChooseRange(const ValueHistogram& histogram, RangeMethod method, double percentile) {
  ValueRange range{histogram.low(), histogram.high()};
  if (method == RangeMethod::kPercentile) range = Percentile(histogram, percentile);
  if (method == RangeMethod::kMeanSquaredError) range = LeastSquaredError(histogram);
  return {std::min(range.low, 0.0f), std::max(range.high, 0.0f)};
}

}  // namespace punctual::optimize
