// The innermost part of dense.h: a tile of some rows by some vectors of outputs, whose sums stay in registers.

// Included once a target: see hwy/foreach_target.h.
#if defined(PUNCTUAL_NATIVE_DENSE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_NATIVE_DENSE_TILE_INL_H_
#undef PUNCTUAL_NATIVE_DENSE_TILE_INL_H_
#else
#define PUNCTUAL_NATIVE_DENSE_TILE_INL_H_
#endif

#include "backend/native/kernels/activation-inl.h"

// Loops over arrays of vectors must be unrolled for the arrays to become registers.
#undef PUNCTUAL_UNROLL
#if defined(__clang__)
#define PUNCTUAL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PUNCTUAL_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace dense {

// Sums that fit into the registers, beside the vectors that they are made of.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
constexpr std::size_t kMostSums = 24;
#else
constexpr std::size_t kMostSums = 12;
#endif
// Of outputs in a panel of weights; of more where one row alone streams through them.
constexpr std::size_t kMostVectors = 8;
constexpr std::size_t kMostVectorsOfFewRows = kMostSums >= 24 ? 16 : 12;

// The rows of a tile of so many vectors, each of which is summed in so many chains.
constexpr std::size_t RowsOfTile(std::size_t vectors, std::size_t chains) {
  const std::size_t rows = kMostSums / (vectors * chains);
  // Each row takes a register for its address too; but narrow tiles need many rows.
  const std::size_t most = vectors <= 2 ? kMostRowsAtOnce : 8;
  return rows < 1 ? 1 : rows > most ? most : rows;
}

// All rows of some vectors of outputs.
struct Strip {
  std::size_t rows, taps, channels;
  const float* weights;
  std::size_t weight_stride;  // floats from channel to channel
  const float* bias;          // null: zeros
  DenseInput input;
  DenseOutput output;
  std::size_t outputs;  // so many of the vectors' lanes
};

// What simple activations leave out, after the sums are stored.
HWY_NOINLINE void Finish(const DenseOutput& output, std::size_t row, std::size_t count) {
  const D d;
  float* const out = output.out + row * output.stride;
  const float* const residual = output.residual == nullptr ? nullptr : output.residual + row * output.residual_stride;
  for (std::size_t i = 0; i < count; i += kLanes) {
    V v = ActivateAny(output.first, hn::LoadU(d, out + i));
    if (residual != nullptr) v = hn::Add(v, hn::LoadU(d, residual + i));
    StoreSome(ActivateAny(output.second, v), count - i, out + i);
  }
}

// Where the rows begin; negative: all of them are padding.
template <std::size_t kRows>
HWY_INLINE std::int32_t FindRows(const DenseInput& input, const std::int32_t* offsets, const float* (&x)[kRows]) {
  constexpr std::int32_t kSteps = kRows - 1;
  const std::int32_t first = offsets[0];
  const std::int32_t step = input.row_step;
  if (kRows > 1 && step != 0 && first >= 0 && offsets[kSteps] - first == kSteps * step) {
    const float* at = input.in + first;
    PUNCTUAL_UNROLL
    for (std::size_t r = 0; r < kRows; ++r, at += step) x[r] = at;
    return 0;
  }
  std::int32_t all = -1;
  PUNCTUAL_UNROLL
  for (std::size_t r = 0; r < kRows; ++r) {
    all &= offsets[r];
    x[r] = offsets[r] < 0 ? input.zeros : input.in + offsets[r];
  }
  return all;
}

// Does what follows a row's sums if that is simple, and stores them.
template <std::size_t kVectors>
HWY_INLINE void StoreRow(const Strip& strip, std::size_t row, const V (&sums)[kVectors]) {
  const D d;
  const DenseOutput& output = strip.output;
  const bool is_simple = IsSimple(output.first.kind) && IsSimple(output.second.kind);
  float* const out = output.out + row * output.stride;
  const float* const residual =
      output.residual == nullptr || !is_simple ? nullptr : output.residual + row * output.residual_stride;
  PUNCTUAL_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v) {
    V sum = sums[v];
    if (is_simple) {
      sum = ActivateSimply(output.first, sum);
      if (residual != nullptr) sum = hn::Add(sum, hn::LoadU(d, residual + v * kLanes));
      sum = ActivateSimply(output.second, sum);
    }
    if (v + 1 < kVectors)
      hn::StoreU(sum, d, out + v * kLanes);
    else
      StoreSome(sum, strip.outputs - v * kLanes, out + v * kLanes);
  }
}

template <std::size_t kRows, std::size_t kVectors, std::size_t kChains>
HWY_NOINLINE void Tile(const Strip& strip, std::size_t row) {
  const D d;
  V sums[kChains][kRows][kVectors];
  PUNCTUAL_UNROLL
  for (std::size_t c = 0; c < kChains; ++c) {
    PUNCTUAL_UNROLL
    for (std::size_t r = 0; r < kRows; ++r) {
      PUNCTUAL_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v)
        sums[c][r][v] = c == 0 && strip.bias != nullptr ? hn::LoadU(d, strip.bias + v * kLanes) : hn::Zero(d);
    }
  }

  const std::size_t stride = strip.weight_stride;
  const float* w = strip.weights;
  constexpr std::size_t kUnrolled = 4;
  for (std::size_t t = 0; t < strip.taps; ++t) {
    const float* x[kRows];
    if (strip.input.offsets != nullptr) {
      const std::int32_t* const offsets = strip.input.offsets + t * strip.rows + row;
      const std::int32_t all = FindRows<kRows>(strip.input, offsets, x);
      if (all < 0) {  // nothing but padding
        w += strip.channels * stride;
        continue;
      }
    } else {
      PUNCTUAL_UNROLL
      for (std::size_t r = 0; r < kRows; ++r)
        x[r] = strip.input.in + (row + r) * strip.input.stride + t * strip.channels;
    }
    std::size_t k = 0;
    for (; k + kUnrolled <= strip.channels; k += kUnrolled) {
      PUNCTUAL_UNROLL
      for (std::size_t u = 0; u < kUnrolled; ++u) {
        V b[kVectors];
        PUNCTUAL_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) {
          b[v] = hn::LoadU(d, w + v * kLanes);
        }
        PUNCTUAL_UNROLL
        for (std::size_t r = 0; r < kRows; ++r) {
          const V a = hn::Set(d, x[r][k + u]);
          PUNCTUAL_UNROLL
          for (std::size_t v = 0; v < kVectors; ++v)
            sums[u % kChains][r][v] = hn::MulAdd(a, b[v], sums[u % kChains][r][v]);
        }
        w += stride;
      }
    }
    for (; k < strip.channels; ++k) {
      PUNCTUAL_UNROLL
      for (std::size_t r = 0; r < kRows; ++r) {
        const V a = hn::Set(d, x[r][k]);
        PUNCTUAL_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v)
          sums[0][r][v] = hn::MulAdd(a, hn::LoadU(d, w + v * kLanes), sums[0][r][v]);
      }
      w += stride;
    }
  }

  PUNCTUAL_UNROLL
  for (std::size_t r = 0; r < kRows; ++r) {
    PUNCTUAL_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      V& sum = sums[0][r][v];
      if constexpr (kChains == 2) sum = hn::Add(sum, sums[1][r][v]);
      if constexpr (kChains == 4) sum = hn::Add(hn::Add(sum, sums[1][r][v]), hn::Add(sums[2][r][v], sums[3][r][v]));
    }
    StoreRow<kVectors>(strip, row + r, sums[0][r]);
  }
}

// One row of one tap in one chain, of which only `count` channels are not zero: those listed. The same to the bit as
// Tile: sums are never -0, so zeros add nothing.
template <std::size_t kVectors>
HWY_NOINLINE void TileOfFew(const Strip& strip, std::size_t row, const std::int32_t* channels, std::size_t count) {
  const D d;
  V sums[kVectors];
  PUNCTUAL_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v)
    sums[v] = strip.bias != nullptr ? hn::LoadU(d, strip.bias + v * kLanes) : hn::Zero(d);
  const float* const x = strip.input.in + row * strip.input.stride;
  const auto add = [&](std::size_t i) HWY_ATTR {
    const auto k = static_cast<std::size_t>(channels[i]);
    const float* const w = strip.weights + k * strip.weight_stride;
    const V a = hn::Set(d, x[k]);
    PUNCTUAL_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::MulAdd(a, hn::LoadU(d, w + v * kLanes), sums[v]);
  };
  std::size_t i = 0;
  for (; i + 2 <= count; i += 2) {
    add(i);
    add(i + 1);
  }
  if (i < count) add(i);
  StoreRow<kVectors>(strip, row, sums);
}

}  // namespace dense
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
