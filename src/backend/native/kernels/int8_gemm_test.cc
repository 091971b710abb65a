#define HWY_WANT_AVX3_DL
#include "backend/native/kernels/int8_gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "backend/native/kernels/every_target.h"
#include "backend/native/kernels/int8_requantization.h"

namespace punctual::native {
namespace {

struct AlignedBytes {
  explicit AlignedBytes(std::size_t bytes) : room(bytes + 128) {}
  std::byte* data() {
    const auto at = reinterpret_cast<std::uintptr_t>(room.data());
    return room.data() + (64 - at % 64);
  }
  std::vector<std::byte> room;
};

// A layer with random numbers, and what it computes by the formulas of int8_gemm.h, one product after the other.
struct Layer {
  Layer(std::mt19937& random, std::size_t channels, std::size_t taps, std::size_t depth, std::size_t row_count,
        int range)
      : shape{channels, taps, depth}, rows(row_count), weights(channels * taps * depth) {
    const auto any = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
    // Extremes often: they are where sixteen bits overflow.
    for (auto& weight : weights)
      weight = static_cast<std::int8_t>(any(0, 2) == 0 ? (any(0, 1) != 0 ? std::min(range, 127) : -range)
                                                       : any(-range, std::min(range, 127)));
    codes.resize(rows * taps * depth + 64);
    for (auto& code : codes) code = static_cast<std::uint8_t>(any(0, 2) == 0 ? 255 : any(0, 255));
    padding.assign(depth + 64, static_cast<std::uint8_t>(any(0, 255)));
    for (std::size_t i = 0; i < rows * taps; ++i)
      offsets.push_back(taps > 1 && any(0, 4) == 0 ? -1 : static_cast<std::int32_t>(i * depth));
    std::shuffle(offsets.begin(), offsets.end(), random);
    const std::size_t padded = PaddedChannels(channels);
    bias.resize(padded);
    multiplier.resize(padded);
    negative.resize(padded);
    scale.resize(padded);
    offset.resize(padded);
    is_leaky = any(0, 2) == 0;
    shift = any(1, 12);
    zero_point = any(0, 255);
    low = any(0, 1) != 0 ? zero_point : 0;
    for (std::size_t i = 0; i < channels; ++i) {
      bias[i] = any(-100'000, 100'000);
      multiplier[i] = any(0, 9) == 0 ? 0x7fffffff : any(1 << 20, 0x7fffffff);
      negative[i] = is_leaky ? multiplier[i] / any(2, 1000) : multiplier[i];
      scale[i] = std::uniform_real_distribution<float>(1e-5f, 1e-2f)(random);
      offset[i] = std::uniform_real_distribution<float>(-10, 10)(random);
    }
  }

  std::int64_t Sum(std::size_t row, std::size_t channel) const {
    std::int64_t sum = bias[channel];
    for (std::size_t tap = 0; tap < shape.taps; ++tap) {
      const std::int32_t at = offsets[row * shape.taps + tap];
      const std::uint8_t* const from = at < 0 ? padding.data() : codes.data() + at;
      for (std::size_t i = 0; i < shape.depth; ++i)
        sum += from[i] * weights[(channel * shape.taps + tap) * shape.depth + i];
    }
    return sum;
  }
  std::uint8_t Code(std::size_t row, std::size_t channel) const {
    const std::int64_t sum = Sum(row, channel), product = sum * (sum < 0 ? negative : multiplier)[channel];
    const std::int64_t code =
        zero_point + ((product + (std::int64_t{1} << (31 + shift))) >> (32 + shift));  // as one rounded shift
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(code, low, 255));
  }
  float Float(std::size_t row, std::size_t channel) const {
    volatile float number = static_cast<float>(Sum(row, channel));
    number = number * scale[channel];
    number = number + offset[channel];
    if (is_leaky && number < 0) number = number * 0.01f;
    return std::clamp(static_cast<float>(number), -5.0f, 1e9f);
  }

  void ExpectTheFormulas(std::size_t out_stride, bool through_offsets) {
    const std::size_t planes = Int8Planes(weights);
    AlignedBytes packed(PackedInt8Bytes(shape, planes));
    const Int8Weights of = PackInt8(weights.data(), shape, planes, packed.data());
    Int8Rows from{codes.data(), rows, shape.depth, nullptr, padding.data()};
    if (through_offsets) {
      from.offsets = offsets.data();
    } else {
      for (std::size_t i = 0; i < rows; ++i) offsets[i] = static_cast<std::int32_t>(i * shape.depth);
    }
    std::vector<std::uint8_t> out(rows * out_stride, 99);
    Int8Gemm(
        of, from,
        Int8ToCodes{bias.data(), multiplier.data(), is_leaky ? negative.data() : nullptr, shift, zero_point, low, 255},
        out.data(), out_stride);
    std::vector<float> floats(rows * out_stride, 99);
    Int8Gemm(of, from, Int8ToFloats{bias.data(), scale.data(), offset.data(), is_leaky ? 0.01f : 1.0f, -5, 1e9f},
             floats.data(), out_stride);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t channel = 0; channel < out_stride; ++channel) {
        const bool is_written = channel < shape.channels;
        ASSERT_EQ(out[row * out_stride + channel], is_written ? Code(row, channel) : 99)
            << "row " << row << ", channel " << channel;
        ASSERT_EQ(floats[row * out_stride + channel], is_written ? Float(row, channel) : 99.0f)
            << "row " << row << ", channel " << channel;
      }
  }

  Int8Shape shape;
  std::size_t rows;
  std::vector<std::int8_t> weights;
  std::vector<std::uint8_t> codes, padding;
  std::vector<std::int32_t> offsets, bias, multiplier, negative;
  bool is_leaky = false;
  std::vector<float> scale, offset;
  int shift = 1;
  std::int32_t zero_point = 0, low = 0;
};

TEST(Int8GemmTest, ComputesItsFormulasBitForBitOnEveryTarget) {
  test::OnEveryTarget([] {
    std::mt19937 random(1);
    for (const std::size_t channels : {1u, 3u, 16u, 17u, 32u, 48u, 64u, 100u, 128u, 200u})
      for (const std::size_t depth : {1u, 3u, 4u, 5u, 8u, 31u, 64u, 130u})
        for (const std::size_t rows : {1u, 2u, 4u, 5u, 9u}) {
          SCOPED_TRACE("channels " + std::to_string(channels) + ", depth " + std::to_string(depth) + ", rows " +
                       std::to_string(rows));
          Layer(random, channels, 1, depth, rows, 64).ExpectTheFormulas(channels, false);
          if (::testing::Test::HasFatalFailure()) return;
        }
  });
}

TEST(Int8GemmTest, FindsTheRowsOfItsTapsThroughOffsets) {
  test::OnEveryTarget([] {
    std::mt19937 random(2);
    for (const std::size_t channels : {8u, 32u, 33u})
      for (const std::size_t taps : {2u, 3u, 9u})
        for (const std::size_t depth : {1u, 6u, 32u})
          for (const std::size_t rows : {1u, 3u, 7u, 12u}) {
            Layer(random, channels, taps, depth, rows, 64).ExpectTheFormulas(channels + 5, true);
            if (::testing::Test::HasFatalFailure()) return;
          }
  });
}

TEST(Int8GemmTest, WeightsOfAllEightBitsGiveTheSameNumbers) {
  test::OnEveryTarget([] {
    std::mt19937 random(3);
    for (const std::size_t channels : {16u, 40u, 64u})
      for (const std::size_t depth : {4u, 33u, 128u})
        for (const std::size_t rows : {1u, 6u}) {
          Layer(random, channels, 1, depth, rows, 128).ExpectTheFormulas(channels, false);
          Layer(random, channels, 3, depth, rows, 128).ExpectTheFormulas(channels, true);
          if (::testing::Test::HasFatalFailure()) return;
        }
  });
}

TEST(Int8GemmTest, SumsAtTheEdgeOfTheirRangeAreExact) {
  test::OnEveryTarget([] {
    std::mt19937 random(4);
    Layer layer(random, 16, 1, 512, 1, 127);
    std::fill(layer.weights.begin(), layer.weights.end(), std::int8_t{127});
    std::fill(layer.codes.begin(), layer.codes.end(), std::uint8_t{255});
    for (std::size_t i = 0; i < 16; ++i) layer.bias[i] = i % 2 == 0 ? 0x7fffffff - 512 * 127 * 255 : -0x7fffffff;
    layer.ExpectTheFormulas(16, false);
  });
}

TEST(Int8RequantizationTest, MultipliersAreTheFactorsToThirtyBits) {
  for (const double largest : {0.2499999, 0.1, 0.001, 3e-6, 1e-9}) {
    const std::vector<double> factors = {largest, largest / 3, largest / 1000, 0};
    const auto made = MultipliersOf(factors);
    ASSERT_TRUE(made.has_value());
    EXPECT_GE(made->multiplier[0], made->shift == 30 ? 0 : 1 << 30);
    for (std::size_t i = 0; i < factors.size(); ++i)
      EXPECT_NEAR(std::ldexp(made->multiplier[i], -32 - made->shift), factors[i], largest * 0x1p-30 + 0x1p-62);
  }
}

TEST(Int8RequantizationTest, FactorsThatAreTooLargeOrNoNumbersAreRefused) {
  EXPECT_FALSE(MultipliersOf(std::vector<double>{0.25}).has_value());
  EXPECT_FALSE(MultipliersOf(std::vector<double>{0.1, std::nan("")}).has_value());
}

TEST(Int8RequantizationTest, TheZeroPointGoesIntoTheBiasUnlessSumsMayOverflow) {
  const std::vector<std::int8_t> weights = {1, -2, 3, 100, 100, 100};
  const std::vector<std::int64_t> bias = {7, -8};
  EXPECT_EQ(FoldZeroPoint(bias, weights, 10).value(), (std::vector<std::int32_t>{7 - 20, -8 - 3000}));
  const std::vector<std::int64_t> large = {7, 0x7fffffff - 1000};
  EXPECT_FALSE(FoldZeroPoint(large, weights, 0).has_value());
  EXPECT_FALSE(FoldZeroPoint(std::vector<std::int64_t>{0}, std::vector<std::int8_t>(70'000, -128), 0).has_value());
}

}  // namespace
}  // namespace punctual::native
