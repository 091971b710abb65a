// Normalisation: to a mean of zero and a variance of one, by row; or by known numbers, by channel.
//
// Nothing is written beyond the outputs; inputs are read up to a vector beyond their ends. x and y may be the same.
#pragma once

#include <cstddef>

namespace punctual::native {

struct RowNormalization {
  std::size_t rows = 0, count = 0;  // x and y: [rows][count]
  float epsilon = 1e-5f;            // added to the variance
  const float* scale = nullptr;     // [count]; null: ones
  const float* bias = nullptr;      // [count]; null: zeros
  // Instead: [channels], that of a row is number row % channels.
  bool by_row = false;
  std::size_t channels = 1;
  float* mean = nullptr;  // [rows]; null: nobody asks
  float* inverse_deviation = nullptr;
};

// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the mean and the (biased) variance of each row.
void NormalizeRows(const RowNormalization& how, const float* x, float* y);

// y = x * scale[channel] + bias[channel], for x and y of [outer][channels][inner].
void ScaleChannels(const float* x, float* y, std::size_t outer, std::size_t channels, std::size_t inner,
                   const float* scale, const float* bias);

}  // namespace punctual::native
