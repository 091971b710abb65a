// From the scales of a quantised layer to the whole numbers that its kernel computes with (int8_gemm.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace punctual::native {

struct Int8Multipliers {
  std::vector<std::int32_t> multiplier;  // by channel
  int shift = 1;
};

// `factors`, by channel: what a sum is multiplied with, scale(input) * scale(weights) / scale(output), each >= 0 and
// finite. multiplier = factor * 2^(32+shift), rounded, with the largest shift (at most 30) at which all fit 31 bits; so
// the largest factor keeps 30 bits or more, and no code is further than |sum| * max(factors) / 2^31 from the product
// with its factor, before it is rounded. Nothing if a factor is 1/4 or more: a step of the sums would be a quarter of a
// code.
std::optional<Int8Multipliers> MultipliersOf(std::span<const double> factors);

// bias - zero_point * (sum of the channel's weights), by channel, which makes sums of codes those of codes minus the
// zero point. `weights`: [channels][bias.size() / channels numbers]. Nothing if a sum, for any activations, may leave
// the int32: such a layer would need more than 65,000 products.
std::optional<std::vector<std::int32_t>> FoldZeroPoint(std::span<const std::int64_t> bias,
                                                       std::span<const std::int8_t> weights, std::int32_t zero_point);

}  // namespace punctual::native
