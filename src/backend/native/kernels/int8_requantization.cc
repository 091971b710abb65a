#include "backend/native/kernels/int8_requantization.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace punctual::native {

std::optional<Int8Multipliers> MultipliersOf(std::span<const double> factors) {
  constexpr double kLimit = 2147483648.0;
  double largest = 0;
  for (const double factor : factors) {
    if (!(factor >= 0 && factor < 0.25)) return std::nullopt;
    largest = std::max(largest, factor);
  }
  Int8Multipliers result;
  result.shift = 30;
  while (result.shift > 1 && std::round(std::ldexp(largest, 32 + result.shift)) >= kLimit) --result.shift;
  for (const double factor : factors)
    result.multiplier.push_back(
        static_cast<std::int32_t>(std::min(std::round(std::ldexp(factor, 32 + result.shift)), kLimit - 1)));
  return result;
}

std::optional<std::vector<std::int32_t>> FoldZeroPoint(std::span<const std::int64_t> bias,
                                                       std::span<const std::int8_t> weights, std::int32_t zero_point) {
  std::vector<std::int32_t> folded;
  const std::size_t products = bias.empty() ? 0 : weights.size() / bias.size();
  for (std::size_t channel = 0; channel < bias.size(); ++channel) {
    std::int64_t sum = 0, least = 0, most = 0;
    for (const std::int8_t weight : weights.subspan(channel * products, products)) {
      sum += weight;
      (weight < 0 ? least : most) += 255 * std::int64_t{weight};
    }
    // Also what the sums are in between, before the bias: they lie between least and most.
    const std::int64_t constant = bias[channel] - zero_point * sum;
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    if (constant < -kMost || constant > kMost || constant + least < -kMost || constant + most > kMost ||
        least < -kMost || most > kMost)
      return std::nullopt;
    folded.push_back(static_cast<std::int32_t>(constant));
  }
  return folded;
}

}  // namespace punctual::native
