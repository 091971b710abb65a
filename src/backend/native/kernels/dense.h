// Dense layers and convolutions in one kernel: products of rows with a matrix of weights, where each row is gathered
// from `taps` places of the input ("indirect" matrix multiplication):
//
//   out[r][n] = second(first(bias[n] + sum over t, k of in(r, t)[k] * weights[t][k][n]) + residual[r][n])
//
// A matrix product has one tap, a convolution over channels-last values one for each place of its window. Only the rows
// that are listed are computed.
//
// An output is the same to the bit whichever rows are computed with it: the order of its sum depends on the shape of
// the layer and on the target alone.
//
// Buffers: 64 bytes beyond the end of each may be read, and 64 beyond the end of `out` read and written back as they
// are. Thread-safe: nothing is shared but what is read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace punctual::native {

enum class Activation : std::uint8_t { kNone, kRelu, kLeakyRelu, kElu, kSigmoid, kTanh, kGelu, kGeluTanh };

struct ActivationWith {
  Activation kind = Activation::kNone;
  float alpha = 0;  // of kLeakyRelu and kElu
};

struct DenseShape {
  std::size_t taps = 1;
  std::size_t channels = 0;  // of a tap
  std::size_t outputs = 0;
  // Its rows are usually many (a convolution), not one or a few. Both are right for any number of rows, but this
  // decides in which order sums run: it must not depend on how many rows are computed this time.
  bool has_many_rows = false;
};

// How many floats PackDense writes.
std::size_t PackedDenseCount(const DenseShape& shape);

// Arranges weights [taps][channels][outputs] and bias [outputs] (null: zeros) for the chosen target's vectors; what is
// packed is only good for RunDense with the same shape under the same target. `packed`: 64-byte aligned.
void PackDense(const DenseShape& shape, const float* weights, const float* bias, float* packed);

inline constexpr std::size_t kMostRowsAtOnce = 12;

struct DenseInput {
  const float* in = nullptr;
  // Where tap t of row r begins, in floats from `in`: offsets[t * rows + r]; negative: at `zeros`, which holds
  // `channels` zeros. Null: at r * stride + t * channels.
  const std::int32_t* offsets = nullptr;
  const float* zeros = nullptr;
  std::size_t stride = 0;
  // Where not 0: a promise of `offsets` that saves time. For up to kMostRowsAtOnce rows from r on, if the first and
  // the last of offsets[t * rows + r...] differ by this times the rows between and the first is not negative, then so
  // do all between.
  std::int32_t row_step = 0;
  // Many of its numbers are zeros, as after Relu: a single row then leaves their weights where they are, if that is
  // quicker. No output changes by it.
  bool has_many_zeros = false;
};

struct DenseOutput {
  float* out = nullptr;
  std::size_t stride = 0;  // floats from row to row, >= outputs
  ActivationWith first;
  const float* residual = nullptr;  // null: none
  std::size_t residual_stride = 0;  // 0: all rows add the same
  ActivationWith second;
};

// `out` overlaps neither `in` nor `residual`.
void RunDense(const DenseShape& shape, std::size_t rows, const float* packed, const DenseInput& input,
              const DenseOutput& output);

// The same with weights as they are, [channels][outputs], `weight_stride` floats from row to row: for weights that are
// only known now. REQUIRES: one tap.
void RunDenseUnpacked(const DenseShape& shape, std::size_t rows, const float* weights, std::size_t weight_stride,
                      const DenseInput& input, const DenseOutput& output);

// p[i] = f(p[i]).
void Activate(ActivationWith activation, float* p, std::size_t count);

}  // namespace punctual::native
