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

// Whether the rows begin a step from each other, so that the first says where all do.
template <std::size_t kRows>
HWY_INLINE bool AreEven(const DenseInput& input, const std::int32_t* offsets) {
  constexpr std::int32_t kSteps = kRows - 1;
  return kRows > 1 && input.row_step != 0 && offsets[0] >= 0 && offsets[kSteps] - offsets[0] == kSteps * input.row_step;
}

// Rows that begin anywhere, each with an address of its own.
template <std::size_t kRows>
class AnyRows {
 public:
  HWY_INLINE AnyRows(const DenseInput& input, const std::int32_t* offsets) {
    PUNCTUAL_UNROLL
    for (std::size_t r = 0; r < kRows; ++r) {
      all_ &= offsets[r];
      rows_[r] = offsets[r] < 0 ? input.zeros : input.in + offsets[r];
    }
  }
  HWY_INLINE bool all_are_padding() const { return all_ < 0; }
  HWY_INLINE const float* At(std::size_t row) const { return rows_[row] + channel_; }
  HWY_INLINE void Advance(std::size_t channels) { channel_ += channels; }
  HWY_INLINE void KeepAddressesShort() {}

 private:
  const float* rows_[kRows];
  std::int32_t all_ = -1;
  std::size_t channel_ = 0;
};

// Rows a step from each other. The addresses of twelve rows do not fit into the sixteen registers that there are beside
// the vectors' own, and bringing them back costs what the sums need; one of three, and the step, do.
template <std::size_t kRows>
class EvenRows {
 public:
  HWY_INLINE EvenRows(const float* first, std::size_t step) : step_(step) {
    PUNCTUAL_UNROLL
    for (std::size_t g = 0; g < kGroups; ++g) groups_[g] = first + g * kOfGroup * step;
  }
  HWY_INLINE const float* At(std::size_t row) const { return groups_[row / kOfGroup] + row % kOfGroup * step_; }
  HWY_INLINE void Advance(std::size_t channels) {
    PUNCTUAL_UNROLL
    for (std::size_t g = 0; g < kGroups; ++g) groups_[g] += channels;
  }
  // Else the compiler works out all rows' addresses ahead, as they stay the same from channel to channel.
  HWY_INLINE void KeepAddressesShort() {
    if constexpr (kGroups > 1) asm("" : "+r"(step_));
  }

 private:
  static constexpr std::size_t kOfGroup = 3;  // an address may be a register, and another one or two times
  static constexpr std::size_t kGroups = (kRows + kOfGroup - 1) / kOfGroup;
  const float* groups_[kGroups];
  std::size_t step_;
};

// Adds the channels of a tap to the sums. Returns where the next tap's weights begin.
template <class Rows, std::size_t kChains, std::size_t kRows, std::size_t kVectors>
HWY_INLINE const float* AddTap(Rows rows, std::size_t channels, const float* w, std::size_t stride,
                               V (&sums)[kChains][kRows][kVectors]) {
  const D d;
  constexpr std::size_t kUnrolled = 4;
  std::size_t k = 0;
  for (; k + kUnrolled <= channels; k += kUnrolled) {
    PUNCTUAL_UNROLL
    for (std::size_t u = 0; u < kUnrolled; ++u) {
      V b[kVectors];
      PUNCTUAL_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) b[v] = hn::LoadU(d, w + v * kLanes);
      rows.KeepAddressesShort();
      PUNCTUAL_UNROLL
      for (std::size_t r = 0; r < kRows; ++r) {
        const V a = hn::Set(d, rows.At(r)[u]);
        PUNCTUAL_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v)
          sums[u % kChains][r][v] = hn::MulAdd(a, b[v], sums[u % kChains][r][v]);
      }
      w += stride;
    }
    rows.Advance(kUnrolled);
  }
  for (; k < channels; ++k) {
    PUNCTUAL_UNROLL
    for (std::size_t r = 0; r < kRows; ++r) {
      const V a = hn::Set(d, *rows.At(r));
      PUNCTUAL_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v)
        sums[0][r][v] = hn::MulAdd(a, hn::LoadU(d, w + v * kLanes), sums[0][r][v]);
    }
    w += stride;
    rows.Advance(1);
  }
  return w;
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
  for (std::size_t t = 0; t < strip.taps; ++t) {
    if (strip.input.offsets == nullptr) {
      const float* const first = strip.input.in + row * strip.input.stride + t * strip.channels;
      w = AddTap(EvenRows<kRows>(first, strip.input.stride), strip.channels, w, stride, sums);
      continue;
    }
    const std::int32_t* const offsets = strip.input.offsets + t * strip.rows + row;
    if (AreEven<kRows>(strip.input, offsets)) {
      const EvenRows<kRows> rows(strip.input.in + offsets[0], static_cast<std::size_t>(strip.input.row_step));
      w = AddTap(rows, strip.channels, w, stride, sums);
      continue;
    }
    const AnyRows<kRows> rows(strip.input, offsets);
    if (rows.all_are_padding())
      w += strip.channels * stride;
    else
      w = AddTap(rows, strip.channels, w, stride, sums);
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
