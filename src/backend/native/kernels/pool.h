// Pooling and depthwise convolution over channels-last values: each output row combines rows of the input channel by
// channel. Rows are found through a table of offsets, as in dense.h.
//
// Buffers: 64 bytes beyond the end of each may be read, and of `out` written. Thread-safe: nothing is shared but what
// is read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/native/kernels/dense.h"

namespace punctual::native {

struct PoolShape {
  std::size_t taps = 1;
  std::size_t channels = 0;
};

// out[r][c] = the largest of in(r, t)[c] over taps t. `offsets`: where tap t of row r begins in floats from `in`, at
// [t * rows + r]; negative: it is left out. A row with no tap is -infinity. `stride`: floats from row to row of `out`.
void RunMaxPool(const PoolShape& shape, std::size_t rows, const float* in, const std::int32_t* offsets, float* out,
                std::size_t stride);

// out[r][c] = (sum of in(r, t)[c] over taps t) / counts[r].
void RunAveragePool(const PoolShape& shape, std::size_t rows, const float* in, const std::int32_t* offsets,
                    const float* counts, float* out, std::size_t stride);

// out[r][c] = second(first(bias[c] + sum of in(r, t)[c] * weights[t][c]) + residual[r][c]), with `offsets` of `input`,
// which are not null; negative ones count as zeros. `bias` may be null.
void RunDepthwise(const PoolShape& shape, std::size_t rows, const float* weights, const float* bias,
                  const DenseInput& input, const DenseOutput& output);

// [batch][rows][columns] to [batch][columns][rows]. `to` does not overlap `from`.
void TransposeEach(const float* from, std::size_t batch, std::size_t rows, std::size_t columns, float* to);

}  // namespace punctual::native
