#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/int8_gemm.cc"
#define HWY_WANT_AVX3_DL
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include <hwy/highway.h>

#include "backend/native/kernels/low_bytes-inl.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "backend/native/kernels/int8_gemm.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Sums = hn::CappedTag<std::int32_t, kInt8Block>;
using Sum = hn::Vec<Sums>;
constexpr std::size_t kLanes = hn::MaxLanes(Sums());

#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_AVX3
constexpr std::size_t kRowTile = 4, kBlockTile = 4, kBlocksOfOneRow = 4;
#elif HWY_TARGET == HWY_AVX2
constexpr std::size_t kRowTile = 4, kBlockTile = 1, kBlocksOfOneRow = 4;
#else
constexpr std::size_t kRowTile = 2, kBlockTile = 1, kBlocksOfOneRow = 2;
#endif

// Instructions that add two products in 16 bits.
#undef PUNCTUAL_SUMS_PAIRS
#define PUNCTUAL_SUMS_PAIRS \
  (HWY_ARCH_X86 && HWY_TARGET != HWY_AVX3_DL && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR)

// Whether Dot is exact for weights of eight bits.
bool SumsEightBits() {
#if PUNCTUAL_SUMS_PAIRS
  return false;
#else
  return true;
#endif
}

// sum + a0 w0 + a1 w1 + a2 w2 + a3 w3 in each lane, of its four bytes: a is unsigned, w signed.
HWY_INLINE Sum Dot(Sum sum, Sum a, Sum w) {
#if HWY_TARGET == HWY_AVX3_DL
  // Not as an intrinsic: Highway 1.0.3 does not switch AVX512_VNNI on for the target that has it.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(w.raw));
  return sum;
#elif HWY_TARGET == HWY_AVX3
  const __m512i pairs = _mm512_maddubs_epi16(a.raw, w.raw);
  return hn::Add(sum, Sum{_mm512_madd_epi16(pairs, _mm512_set1_epi16(1))});
#elif HWY_TARGET == HWY_AVX2
  const __m256i pairs = _mm256_maddubs_epi16(a.raw, w.raw);
  return hn::Add(sum, Sum{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#elif PUNCTUAL_SUMS_PAIRS
  const __m128i pairs = _mm_maddubs_epi16(a.raw, w.raw);
  return hn::Add(sum, Sum{_mm_madd_epi16(pairs, _mm_set1_epi16(1))});
#else
  const Sums d;
  const auto byte = hn::Set(d, 0xff);
  sum = hn::Add(sum, hn::Mul(hn::And(a, byte), hn::ShiftRight<24>(hn::ShiftLeft<24>(w))));
  sum = hn::Add(sum, hn::Mul(hn::And(hn::ShiftRight<8>(a), byte), hn::ShiftRight<24>(hn::ShiftLeft<16>(w))));
  sum = hn::Add(sum, hn::Mul(hn::And(hn::ShiftRight<16>(a), byte), hn::ShiftRight<24>(hn::ShiftLeft<8>(w))));
  return hn::Add(sum, hn::Mul(hn::And(hn::ShiftRight<24>(a), byte), hn::ShiftRight<24>(w)));
#endif
}

// Four activations in every lane.
HWY_INLINE Sum Quad(const std::uint8_t* activations) {
  std::int32_t quad = 0;
  std::memcpy(&quad, activations, sizeof(quad));
  return hn::Set(Sums(), quad);
}

// The upper halves of the products.
HWY_INLINE Sum High(Sum a, Sum b) {
  const Sums d;
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, static_cast<std::int32_t>((std::int64_t{a.raw} * b.raw) >> 32));
#else
  const hn::Repartition<std::uint64_t, Sums> d64;
  const auto odd_lanes = [d, d64](Sum v) HWY_ATTR { return hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, v))); };
  const Sum even = hn::BitCast(d, hn::MulEven(a, b));
  const Sum odd = hn::BitCast(d, hn::MulEven(odd_lanes(a), odd_lanes(b)));
  return hn::OddEven(odd, odd_lanes(even));
#endif
}

struct FinishCodes {
  using Number = std::uint8_t;
  explicit FinishCodes(const Int8ToCodes& to)
      : bias(to.bias),
        multiplier(to.multiplier),
        negative(to.negative),
        shift(to.shift),
        half(hn::Set(Sums(), std::int32_t{1} << (to.shift - 1))),
        zero_point(hn::Set(Sums(), to.zero_point)),
        low(hn::Set(Sums(), to.low)),
        high(hn::Set(Sums(), to.high)) {}

  HWY_INLINE void operator()(Sum sum, std::size_t channel, std::uint8_t* out) const {
    const Sums d;
    sum = hn::Add(sum, hn::LoadU(d, bias + channel));
    Sum by = hn::LoadU(d, multiplier + channel);
    if (negative != nullptr) by = hn::IfThenElse(hn::Lt(sum, hn::Zero(d)), hn::LoadU(d, negative + channel), by);
    Sum code = High(sum, by);
    code = hn::Add(hn::ShiftRightSame(hn::Add(code, half), shift), zero_point);
    code = hn::Min(hn::Max(code, low), high);
    StoreLowBytes(d, code, out);
  }

  const std::int32_t* bias;
  const std::int32_t* multiplier;
  const std::int32_t* negative;
  int shift;
  Sum half, zero_point, low, high;
};

struct FinishFloats {
  using Number = float;
  explicit FinishFloats(const Int8ToFloats& to)
      : bias(to.bias),
        scale(to.scale),
        offset(to.offset),
        has_slope(to.slope != 1),
        slope(hn::Set(hn::RebindToFloat<Sums>(), to.slope)),
        low(hn::Set(hn::RebindToFloat<Sums>(), to.low)),
        high(hn::Set(hn::RebindToFloat<Sums>(), to.high)) {}

  HWY_INLINE void operator()(Sum sum, std::size_t channel, float* out) const {
    const hn::RebindToFloat<Sums> d;
    sum = hn::Add(sum, hn::LoadU(Sums(), bias + channel));
    auto number = hn::Mul(hn::ConvertTo(d, sum), hn::LoadU(d, scale + channel));
    // This file is compiled with -ffp-contract=off: the two must not become one operation on some targets.
    if (offset != nullptr) number = hn::Add(number, hn::LoadU(d, offset + channel));
    if (has_slope) number = hn::Max(number, hn::Mul(number, slope));
    hn::StoreU(hn::Min(hn::Max(number, low), high), d, out);
  }

  const std::int32_t* bias;
  const float* scale;
  const float* offset;
  bool has_slope;
  hn::Vec<hn::RebindToFloat<Sums>> slope, low, high;
};

HWY_INLINE const std::uint8_t* Tap(const Int8Rows& rows, std::size_t taps, std::size_t row, std::size_t tap) {
  if (rows.offsets == nullptr) return rows.base + row * rows.stride;
  const std::int32_t offset = rows.offsets[row * taps + tap];
  return offset < 0 ? rows.padding : rows.base + offset;
}

// The sums of kRows rows and kBlocks blocks of channels stay in registers over all taps.
template <std::size_t kRows, std::size_t kBlocks, std::size_t kPlanes, class Finish>
HWY_INLINE void Tile(const Int8Weights& weights, const Int8Rows& rows, std::size_t row, std::size_t block,
                     const Finish& finish, typename Finish::Number* out, std::size_t out_stride) {
  constexpr std::size_t kVectors = kInt8Block / kLanes;  // a block
  // One row alone would wait for each sum before it adds to it again: every other quad has sums of its own.
  constexpr std::size_t kPhases = kRows == 1 && kBlocks * kVectors <= 4 ? 2 : 1;
  const Sums d;
  const std::size_t taps = weights.shape.taps, quads = (weights.shape.depth + 3) / 4;
  const std::size_t block_bytes = taps * quads * kPlanes * kInt8Block * 4;
  const auto* at = reinterpret_cast<const std::int32_t*>(weights.packed + block * block_bytes);
  const std::size_t block_step = block_bytes / 4;

  Sum sums[kPhases][kRows][kBlocks * kVectors];
  for (auto& phase : sums)
    for (auto& of_row : phase)
      for (auto& sum : of_row) sum = hn::Zero(d);
  // Adds the products of the quads that `of` holds for each row.
  const auto add = [&](Sum(&to)[kRows][kBlocks * kVectors], const Sum(&of)[kRows]) HWY_ATTR {
    HWY_UNROLL(2)
    for (std::size_t plane = 0; plane < kPlanes; ++plane) {
      HWY_UNROLL(16)
      for (std::size_t v = 0; v < kBlocks * kVectors; ++v) {
        const Sum w = hn::Load(d, at + v / kVectors * block_step + v % kVectors * kLanes);
        HWY_UNROLL(4)
        for (std::size_t r = 0; r < kRows; ++r) to[r][v] = Dot(to[r][v], of[r], w);
      }
      at += kInt8Block;
    }
  };
  for (std::size_t tap = 0; tap < taps; ++tap) {
    const std::uint8_t* from[kRows];
    for (std::size_t r = 0; r < kRows; ++r) from[r] = Tap(rows, taps, row + r, tap);
    std::size_t quad = 0;
    for (; quad + kPhases <= quads; quad += kPhases) {
      HWY_UNROLL(2)
      for (std::size_t phase = 0; phase < kPhases; ++phase) {
        Sum of[kRows];
        HWY_UNROLL(4)
        for (std::size_t r = 0; r < kRows; ++r) of[r] = Quad(from[r] + 4 * (quad + phase));
        add(sums[phase], of);
      }
    }
    if (kPhases > 1 && quad < quads) {
      const Sum of[kRows] = {Quad(from[0] + 4 * quad)};
      add(sums[0], of);
    }
  }

  const std::size_t channel = block * kInt8Block;
  const std::size_t channels = std::min(weights.shape.channels - channel, kBlocks * kInt8Block);
  const bool is_whole = channels == kBlocks * kInt8Block;
  HWY_UNROLL(4)
  for (std::size_t r = 0; r < kRows; ++r) {
    auto* const to = out + (row + r) * out_stride + channel;
    typename Finish::Number some[kBlocks * kInt8Block];
    auto* const whole = is_whole ? to : some;
    HWY_UNROLL(16)
    for (std::size_t v = 0; v < kBlocks * kVectors; ++v) {
      Sum sum = sums[0][r][v];
      if (kPhases > 1) sum = hn::Add(sum, sums[kPhases - 1][r][v]);
      finish(sum, channel + v * kLanes, whole + v * kLanes);
    }
    if (!is_whole) std::memcpy(to, some, channels * sizeof(*to));
  }
}

template <std::size_t kRows, std::size_t kMostBlocks, std::size_t kPlanes, class Finish>
HWY_NOINLINE void Rows(const Int8Weights& weights, const Int8Rows& rows, const Finish& finish,
                       typename Finish::Number* out, std::size_t out_stride) {
  const std::size_t blocks = PaddedChannels(weights.shape.channels) / kInt8Block;
  std::size_t block = 0;
  // A group of blocks is gone through for all rows while its weights are near.
  const auto group = [&]<std::size_t kBlocks>(std::integral_constant<std::size_t, kBlocks>) HWY_ATTR {
    for (; block + kBlocks <= blocks; block += kBlocks)
      // The last rows are computed with some before them once more rather than alone.
      for (std::size_t row = 0; row < rows.count; row += kRows)
        Tile<kRows, kBlocks, kPlanes>(weights, rows, std::min(row, rows.count - kRows), block, finish, out, out_stride);
  };
  if constexpr (kMostBlocks >= 4) group(std::integral_constant<std::size_t, 4>());
  if constexpr (kMostBlocks >= 2) group(std::integral_constant<std::size_t, 2>());
  group(std::integral_constant<std::size_t, 1>());
}

template <class Finish, class To>
HWY_INLINE void Gemm(const Int8Weights& weights, const Int8Rows& rows, const To& to, typename Finish::Number* out,
                     std::size_t out_stride) {
  const Finish finish(to);
  if (rows.count >= kRowTile) {
    if (weights.planes == 1) return Rows<kRowTile, kBlockTile, 1>(weights, rows, finish, out, out_stride);
    return Rows<kRowTile, kBlockTile, 2>(weights, rows, finish, out, out_stride);
  }
  if (weights.planes == 1) return Rows<1, kBlocksOfOneRow, 1>(weights, rows, finish, out, out_stride);
  return Rows<1, kBlocksOfOneRow, 2>(weights, rows, finish, out, out_stride);
}

void GemmToCodes(const Int8Weights& weights, const Int8Rows& rows, const Int8ToCodes& to, std::uint8_t* out,
                 std::size_t out_stride) {
  Gemm<FinishCodes>(weights, rows, to, out, out_stride);
}

void GemmToFloats(const Int8Weights& weights, const Int8Rows& rows, const Int8ToFloats& to, float* out,
                  std::size_t out_stride) {
  Gemm<FinishFloats>(weights, rows, to, out, out_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {

HWY_EXPORT(SumsEightBits);
HWY_EXPORT(GemmToCodes);
HWY_EXPORT(GemmToFloats);

}  // namespace

std::size_t Int8Planes(std::span<const std::int8_t> weights) {
  const bool fits = std::all_of(weights.begin(), weights.end(), [](std::int8_t w) { return -64 <= w && w <= 64; });
  return fits || HWY_DYNAMIC_DISPATCH(SumsEightBits)() ? 1 : 2;
}

std::size_t PackedInt8Bytes(const Int8Shape& shape, std::size_t planes) {
  return PaddedChannels(shape.channels) * shape.taps * ((shape.depth + 3) / 4 * 4) * planes;
}

Int8Weights PackInt8(const std::int8_t* weights, const Int8Shape& shape, std::size_t planes, std::byte* packed) {
  auto* to = reinterpret_cast<std::int8_t*>(packed);
  for (std::size_t block = 0; block < PaddedChannels(shape.channels); block += kInt8Block)
    for (std::size_t tap = 0; tap < shape.taps; ++tap)
      for (std::size_t quad = 0; quad < shape.depth; quad += 4)
        for (std::size_t plane = 0; plane < planes; ++plane)
          for (std::size_t channel = block; channel < block + kInt8Block; ++channel)
            for (std::size_t i = quad; i < quad + 4; ++i) {
              const bool is_there = channel < shape.channels && i < shape.depth;
              const int weight = is_there ? weights[(channel * shape.taps + tap) * shape.depth + i] : 0;
              const int first = planes == 1 ? weight : weight / 2;
              *to++ = static_cast<std::int8_t>(plane == 0 ? first : weight - first);
            }
  return {shape, planes, packed};
}

void Int8Gemm(const Int8Weights& weights, const Int8Rows& rows, const Int8ToCodes& to, std::uint8_t* out,
              std::size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(GemmToCodes)(weights, rows, to, out, out_stride);
}

void Int8Gemm(const Int8Weights& weights, const Int8Rows& rows, const Int8ToFloats& to, float* out,
              std::size_t out_stride) {
  HWY_DYNAMIC_DISPATCH(GemmToFloats)(weights, rows, to, out, out_stride);
}

}  // namespace punctual::native
#endif  // HWY_ONCE
