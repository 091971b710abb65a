#include "optimize/block_bootstrap.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "market/random.h"

namespace punctual::optimize {
namespace {

double Autocovariance(std::span<const double> series, double mean, std::size_t lag) {
  double sum = 0;
  for (std::size_t i = lag; i < series.size(); ++i) sum += (series[i] - mean) * (series[i - lag] - mean);
  return sum / static_cast<double>(series.size());
}

// Politis and White's m: the last lag before a row of lags whose correlations could be chance.
std::size_t LastCorrelatedLag(std::span<const double> covariances, double samples) {
  const double log = std::log10(samples), chance = 2 * std::sqrt(log / samples) * covariances[0];
  const auto row = static_cast<std::size_t>(std::max(5.0, std::ceil(std::sqrt(log))));
  std::size_t last = 0;
  for (std::size_t lag = 1; lag < covariances.size() && lag <= last + row; ++lag)
    if (std::abs(covariances[lag]) >= chance) last = lag;
  return last;
}

// One symbol's samples: the running sums of both summands, twice round the circle, and how they are drawn.
struct Circle {
  std::vector<double> parts = {0}, wholes = {0};
  std::size_t size = 0, block = 1;

  Circle(const std::vector<double>& part, const std::vector<double>& whole) : size(part.size()) {
    for (std::size_t i = 0; i < 2 * size; ++i) {
      parts.push_back(parts.back() + part[i % size]);
      wholes.push_back(wholes.back() + whole[i % size]);
    }
  }
  // Of `run` samples from `begin`, what a ratio varies by, to the first order.
  double Error(std::size_t begin, std::size_t run, double ratio) const {
    return parts[begin + run] - parts[begin] - ratio * (wholes[begin + run] - wholes[begin]);
  }
  // As many samples as it has, in runs of `block`; the last run is cut.
  void Draw(Random& random, double& part, double& whole) const {
    for (std::size_t left = size; left > 0;) {
      const std::size_t run = std::min(block, left), begin = random.Below(size);
      part += parts[begin + run] - parts[begin];
      whole += wholes[begin + run] - wholes[begin];
      left -= run;
    }
  }
};

// How far an interval reaches, in standard errors, if these were found from `runs` runs.
double Reach(double confidence, double runs) {
  const double tail = (1 - confidence) / 2, freedom = std::max(runs - 1, 1.0);
  return boost::math::quantile(boost::math::complement(boost::math::students_t(freedom), tail)) *
         std::sqrt((freedom + 1) / freedom);
}

// BCa's acceleration: a sixth of the skewness of the figure, which is one of sums of independent runs.
double Acceleration(const std::vector<Circle>& circles, double ratio) {
  double second = 0, third = 0;
  for (const Circle& circle : circles) {
    const double size = static_cast<double>(circle.size), runs = size / static_cast<double>(circle.block);
    const double mean = circle.Error(0, circle.size, ratio) / runs;
    for (std::size_t begin = 0; begin < circle.size; ++begin) {
      const double error = circle.Error(begin, circle.block, ratio) - mean;
      second += runs / size * error * error;
      third += runs / size * error * error * error;
    }
  }
  return second > 0 ? third / std::pow(second, 1.5) / 6 : 0;
}

// BCa's bias correction: where the figure stands among those drawn, which are sorted.
double Bias(const std::vector<double>& ratios, double ratio) {
  const auto [first, last] = std::equal_range(ratios.begin(), ratios.end(), ratio);
  const double below = static_cast<double>((first - ratios.begin()) + (last - ratios.begin())) / 2;
  return boost::math::quantile(boost::math::normal(),
                               std::clamp(below / static_cast<double>(ratios.size()), 0.001, 0.999));
}

// Of sorted ones, the place of that which an end of the interval is, `reach` standard errors away.
std::size_t Place(std::size_t count, double reach, double bias, double acceleration) {
  const double slope = 1 - acceleration * (bias + reach);
  const double level =
      slope <= 0 ? (reach < 0 ? 0.0 : 1.0) : boost::math::cdf(boost::math::normal(), bias + (bias + reach) / slope);
  return std::min(static_cast<std::size_t>(level * static_cast<double>(count)), count - 1);
}

Result<void> Check(std::span<const double> part, std::span<const double> whole, std::span<const std::uint32_t> symbol,
                   const BootstrapOptions& options) {
  if (options.resamples < 100 || options.resamples > 1'000'000)
    return Fail(Code::kInvalidArgument, "resamples: must be 100 to 1000000");
  if (!(options.confidence >= 0.5 && options.confidence <= 0.999))
    return Fail(Code::kInvalidArgument, "confidence: must be 0.5 to 0.999");
  if (part.size() != whole.size() || part.size() != symbol.size())
    return Fail(Code::kInvalidArgument, "samples: there are " + std::to_string(part.size()) + ", " +
                                            std::to_string(whole.size()) + " wholes and " +
                                            std::to_string(symbol.size()) + " symbols; give as many of each");
  if (!(std::accumulate(whole.begin(), whole.end(), 0.0) > 0))
    return Fail(Code::kInvalidArgument, "samples: there is none that counts");
  return {};
}

// `ratio`: of all samples.
Result<std::vector<Circle>> Circles(std::span<const double> part, std::span<const double> whole,
                                    std::span<const std::uint32_t> symbol, double ratio, std::size_t block) {
  struct Columns {
    std::vector<double> part, whole, error;
  };
  std::map<std::uint32_t, Columns> by_symbol;
  for (std::size_t i = 0; i < part.size(); ++i) {
    Columns& columns = by_symbol[symbol[i]];
    columns.part.push_back(part[i]);
    columns.whole.push_back(whole[i]);
    columns.error.push_back(part[i] - ratio * whole[i]);
  }
  std::vector<Circle> circles;
  for (const auto& [of, columns] : by_symbol) {
    Circle& circle = circles.emplace_back(columns.part, columns.whole);
    circle.block = block != 0 ? block : BlockLength(columns.error);
    if (block != 0 && block * 2 > circle.size)
      return Fail(Code::kFailedPrecondition, "block: runs of " + std::to_string(block) +
                                                 " samples do not fit twice into the " + std::to_string(circle.size) +
                                                 " of a symbol; take shorter ones, or more samples");
  }
  return circles;
}

std::vector<double> Resample(const std::vector<Circle>& circles, const BootstrapOptions& options) {
  Random random(options.seed);
  std::vector<double> ratios;
  ratios.reserve(options.resamples);
  for (std::size_t i = 0; i < options.resamples; ++i) {
    double part = 0, whole = 0;
    for (const Circle& circle : circles) circle.Draw(random, part, whole);
    if (whole > 0) ratios.push_back(part / whole);  // a rare class may not be drawn at all
  }
  return ratios;
}

}  // namespace

std::size_t BlockLength(std::span<const double> series) {
  if (series.size() < 6) return 1;
  const double samples = static_cast<double>(series.size()), root = std::cbrt(samples);
  const double most = std::min(3 * std::sqrt(samples), samples / 3);
  const double mean = std::accumulate(series.begin(), series.end(), 0.0) / samples;
  const auto lags = static_cast<std::size_t>(std::min(std::ceil(std::sqrt(samples)) + 10, samples - 1));
  std::vector<double> covariances;
  for (std::size_t lag = 0; lag <= lags; ++lag) covariances.push_back(Autocovariance(series, mean, lag));
  const std::size_t bandwidth = std::min(2 * std::max<std::size_t>(LastCorrelatedLag(covariances, samples), 1), lags);
  // The spectrum's density at 0 and its curvature there, through a window with a flat top.
  double density = covariances[0], curvature = 0;
  for (std::size_t lag = 1; lag <= bandwidth; ++lag) {
    const double at = static_cast<double>(lag), weight = std::min(1.0, 2 * (1 - at / static_cast<double>(bandwidth)));
    density += 2 * weight * covariances[lag];
    curvature += 2 * weight * at * covariances[lag];
  }
  const double best = density > 0 ? std::cbrt(1.5 * curvature * curvature / (density * density)) * root : root;
  return static_cast<std::size_t>(std::min(std::ceil(2 * std::max(best, root)), std::floor(most)));
}

Result<Estimate> EstimateRatio(std::span<const double> part, std::span<const double> whole,
                               std::span<const std::uint32_t> symbol, const BootstrapOptions& options) {
  PUNCTUAL_TRY(Check(part, whole, symbol, options));
  const double ratio =
      std::accumulate(part.begin(), part.end(), 0.0) / std::accumulate(whole.begin(), whole.end(), 0.0);
  PUNCTUAL_ASSIGN(const auto circles, Circles(part, whole, symbol, ratio, options.block));
  std::vector<double> ratios = Resample(circles, options);
  if (ratios.empty()) return Estimate{ratio, ratio, ratio};
  std::sort(ratios.begin(), ratios.end());
  double runs = 0;
  for (const Circle& circle : circles) runs += static_cast<double>(circle.size) / static_cast<double>(circle.block);
  const double reach = Reach(options.confidence, runs), bias = Bias(ratios, ratio),
               acceleration = Acceleration(circles, ratio);
  // The figure itself is never outside.
  return Estimate{ratio, std::min(ratio, ratios[Place(ratios.size(), -reach, bias, acceleration)]),
                  std::max(ratio, ratios[Place(ratios.size(), reach, bias, acceleration)])};
}

}  // namespace punctual::optimize
