#define HWY_WANT_AVX3_DL
#include "backend/native/kernels/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/native/kernels/every_target.h"

namespace punctual::native {
namespace {

constexpr std::size_t kSlack = 64;  // may be read and written after the ends

std::vector<float> Hard(float scale) {
  std::mt19937 random(1);
  std::vector<float> numbers;
  for (int i = -600; i <= 600; ++i) {
    const float tie = (static_cast<float>(i) + 0.5f) * scale;
    for (const float number : {tie, std::nextafter(tie, 1e9f), std::nextafter(tie, -1e9f)}) numbers.push_back(number);
  }
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float number : {0.0f, -0.0f, infinity, -infinity, 3e38f, -3e38f, 1e-45f, std::nanf("")})
    numbers.push_back(number);
  std::uniform_real_distribution<float> any(-300 * scale, 300 * scale);
  for (int i = 0; i < 1000; ++i) numbers.push_back(any(random));
  return numbers;
}

void ExpectCodes(float scale, std::int32_t zero_point, std::int32_t low, std::int32_t high) {
  std::vector<float> numbers = Hard(scale);
  const std::size_t count = numbers.size();
  numbers.resize(count + kSlack);
  std::vector<std::uint8_t> codes(count + kSlack);
  Quantize(numbers.data(), count, scale, zero_point, low, high, codes.data());
  for (std::size_t i = 0; i < count; ++i) {
    const float ratio = std::isnan(numbers[i]) ? 0 : std::clamp(numbers[i] / scale, -1e6f, 1e6f);
    const auto expected = std::clamp(static_cast<std::int32_t>(std::nearbyint(ratio)) + zero_point, low, high);
    ASSERT_EQ(codes[i], static_cast<std::uint8_t>(expected)) << numbers[i] << " by " << scale;
  }
}

TEST(QuantizeTest, RoundsHalvesToTheEvenCodeAndStaysWithinBounds) {
  test::OnEveryTarget([] {
    for (const float scale : {1.0f, 0.03125f, 0.1f, 0.0123f, 17.0f, 1e-30f}) {
      ExpectCodes(scale, 0, 0, 255);
      ExpectCodes(scale, 128, 0, 255);
      ExpectCodes(scale, 255, 0, 255);
      ExpectCodes(scale, 0, -128, 127);
      ExpectCodes(scale, -128, -128, 127);
    }
  });
}

TEST(DequantizeTest, GivesTheDistanceToTheZeroPointTimesTheScale) {
  test::OnEveryTarget([] {
    std::vector<std::uint8_t> codes(256 + kSlack);
    for (std::size_t i = 0; i < 256; ++i) codes[i] = static_cast<std::uint8_t>(i);
    std::vector<float> numbers(256 + kSlack);
    Dequantize(codes.data(), 256, 0.3f, 77, numbers.data());
    for (int i = 0; i < 256; ++i) EXPECT_EQ(numbers[static_cast<std::size_t>(i)], static_cast<float>(i - 77) * 0.3f);
    Dequantize(reinterpret_cast<const std::int8_t*>(codes.data()), 256, 0.3f, -3, numbers.data());
    for (int i = 0; i < 256; ++i)
      EXPECT_EQ(numbers[static_cast<std::size_t>(i)], static_cast<float>((i < 128 ? i : i - 256) + 3) * 0.3f);
  });
}

}  // namespace
}  // namespace punctual::native
