// Matrix products and convolutions of codes: rows of uint8 activations times int8 weights, summed exactly in int32, and
// made into codes again (integers alone) or into floats. The same codes give the same bits on every target.
//
// An output row is computed from `taps` rows of `depth` activations each, found through a table of offsets: one tap for
// a dense layer, a tap for each position of the kernel for a convolution over channels-last codes.
//
// Thread-safe: nothing is kept between calls. Nothing here allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace punctual::native {

// Output channels that stand together in the packed weights. Tables by channel have PaddedChannels entries.
inline constexpr std::size_t kInt8Block = 16;
constexpr std::size_t PaddedChannels(std::size_t channels) {
  return (channels + kInt8Block - 1) / kInt8Block * kInt8Block;
}

struct Int8Shape {
  std::size_t channels = 0;  // of the output
  std::size_t taps = 1;
  std::size_t depth = 0;  // activations a tap
};

// Packed weights: [block of 16 channels][tap][quad of the depth][plane][16 channels][4 of the depth].
//
// Instructions without VNNI add two products in 16 bits, which cannot overflow while |weight| <= 64 (the "reduced
// range" of quantisers: 2 * 255 * 64 < 2^15). Weights beyond that are split into two planes with the weights' sum
// there: twice the work, and the same numbers. With VNNI, and where there are no such instructions, one plane does for
// all.
struct Int8Weights {
  Int8Shape shape;
  std::size_t planes = 1;
  const std::byte* packed = nullptr;  // 64-byte aligned
};

// Planes that weights need on the chosen target: 1 or 2.
std::size_t Int8Planes(std::span<const std::int8_t> weights);
std::size_t PackedInt8Bytes(const Int8Shape& shape, std::size_t planes);
// `weights`: [channels][taps][depth]. `packed`: PackedInt8Bytes of room, 64-byte aligned.
Int8Weights PackInt8(const std::int8_t* weights, const Int8Shape& shape, std::size_t planes, std::byte* packed);

// Where activations stand. Up to 3 bytes after the end of a tap's `depth` are read, and do not matter.
struct Int8Rows {
  const std::uint8_t* base = nullptr;
  std::size_t count = 1;                  // output rows
  std::size_t stride = 0;                 // without offsets (one tap): row i stands at base + i * stride
  const std::int32_t* offsets = nullptr;  // [count][taps], from base; negative: the tap reads `padding`
  const std::uint8_t* padding = nullptr;  // depth codes, each the activations' zero point
};

// How sums become codes: code = clamp(zero_point + ((high(sum + bias) + 2^(shift-1)) >> shift), low, high) with
// high(s) = floor(s * multiplier / 2^32), which is the product with multiplier / 2^(32+shift), halves rounded up.
// REQUIRES: |sum + bias| < 2^31 for all activations (Int8SumsFit of int8_requantization.h).
struct Int8ToCodes {
  const std::int32_t* bias = nullptr;        // by channel; minus the activations' zero point times the weights' sum
  const std::int32_t* multiplier = nullptr;  // by channel, >= 0
  const std::int32_t* negative = nullptr;    // by channel: instead, where sum + bias < 0 (LeakyRelu); null: the same
  int shift = 1;                             // 1 to 30
  std::int32_t zero_point = 0, low = 0, high = 255;
};

// How sums become floats: number = float(sum + bias) * scale + offset, then max(number, number * slope) (LeakyRelu;
// 0 <= slope <= 1), then min(max(number, low), high). Each operation is rounded on its own.
struct Int8ToFloats {
  const std::int32_t* bias = nullptr;  // by channel, as above
  const float* scale = nullptr;        // by channel
  const float* offset = nullptr;       // by channel; null: none
  float slope = 1;
  float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();
};

// Output row i, of shape.channels numbers, goes to out + i * out_stride; nothing else is written. `out` may not overlap
// what is read.
void Int8Gemm(const Int8Weights& weights, const Int8Rows& rows, const Int8ToCodes& to, std::uint8_t* out,
              std::size_t out_stride);
void Int8Gemm(const Int8Weights& weights, const Int8Rows& rows, const Int8ToFloats& to, float* out,
              std::size_t out_stride);

}  // namespace punctual::native
