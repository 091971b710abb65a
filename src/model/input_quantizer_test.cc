#include "model/input_quantizer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "market/random.h"

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Step = InputQuantizer::Step;

constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kMin = std::numeric_limits<float>::min();
constexpr std::size_t kOneRun = std::numeric_limits<std::size_t>::max();
constexpr CodeType kTypes[] = {CodeType::kUint8, CodeType::kInt8, CodeType::kUint16, CodeType::kInt16};

template <class Code>
std::vector<int> CodesAs(const InputQuantizer& quantizer, const std::vector<float>& values) {
  std::vector<Code> codes(values.size());
  quantizer.Encode(values, std::as_writable_bytes(std::span(codes)));
  return {codes.begin(), codes.end()};
}

std::vector<int> Codes(CodeType type, const InputQuantizer& quantizer, const std::vector<float>& values) {
  switch (type) {
    case CodeType::kUint8: return CodesAs<std::uint8_t>(quantizer, values);
    case CodeType::kInt8: return CodesAs<std::int8_t>(quantizer, values);
    case CodeType::kUint16: return CodesAs<std::uint16_t>(quantizer, values);
    case CodeType::kInt16: break;
  }
  return CodesAs<std::int16_t>(quantizer, values);
}

std::pair<int, int> RangeOf(CodeType type) {
  switch (type) {
    case CodeType::kUint8: return {0, 255};
    case CodeType::kInt8: return {-128, 127};
    case CodeType::kUint16: return {0, 65535};
    case CodeType::kInt16: break;
  }
  return {-32768, 32767};
}

// ONNX's definition, word for word.
int Definition(CodeType type, Step step, float value) {
  const auto [low, high] = RangeOf(type);
  const double code = static_cast<double>(std::nearbyint(value / step.scale)) + step.zero_point;
  return code < low ? low : code > high ? high : static_cast<int>(code);
}

// Numbers where rounding goes wrong, if it does: around the edges of codes, zeros, the largest and smallest there are.
std::vector<float> HardValues(CodeType type, Step step) {
  const auto [low, high] = RangeOf(type);
  std::vector<float> values = {0.0f, -0.0f, kMax, -kMax, kMin, -kMin, 1e-45f, -1e-45f};
  for (int code = low - 2; code <= high + 2; code += high > 255 ? 7 : 1)
    for (const float fraction : {0.0f, 0.5f, -0.5f, 0.25f}) {
      const float value = (static_cast<float>(code - step.zero_point) + fraction) * step.scale;
      for (const float near : {value, std::nextafter(value, kMax), std::nextafter(value, -kMax)})
        if (std::isfinite(near)) values.push_back(near);
    }
  return values;
}

std::vector<Step> Steps(CodeType type) {
  const auto [low, high] = RangeOf(type);
  const int middle = (low + high) / 2;
  std::vector<Step> steps;
  for (const float scale : {1.0f, 0.5f, 0.1f, 0.0123f, 1.0f / 3, 7.7f, kMin, 1e-30f, 1e30f, kMax / 65536 * 0.99f})
    for (const int zero_point : {low, middle, middle + 1, high}) steps.push_back({scale, zero_point});
  return steps;
}

TEST(InputQuantizerTest, RoundsHalfToEvenAndSaturates) {
  const auto quantizer = InputQuantizer::Make(CodeType::kUint8, {{2, 128}}, kOneRun).value();
  EXPECT_THAT(Codes(CodeType::kUint8, quantizer, {0, 1, 3, 5, -1, -3, 254, 255, 256, -256, -258, kMax, -kMax}),
              ElementsAre(128, 128, 130, 130, 128, 126, 255, 255, 255, 0, 0, 255, 0));
  const auto wide = InputQuantizer::Make(CodeType::kInt16, {{1, -1}}, kOneRun).value();
  EXPECT_THAT(Codes(CodeType::kInt16, wide, {0, 0.5f, 1.5f, 40000, -40000}), ElementsAre(-1, -1, 1, 32767, -32768));
}

TEST(InputQuantizerTest, IsOnnxsDefinitionAtEveryEdge) {
  for (const CodeType type : kTypes)
    for (const Step step : Steps(type)) {
      const auto quantizer = InputQuantizer::Make(type, {step}, kOneRun).value();
      const std::vector<float> values = HardValues(type, step);
      const std::vector<int> codes = Codes(type, quantizer, values);
      for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_EQ(codes[i], Definition(type, step, values[i])) << values[i] << " / " << step.scale;
    }
}

TEST(InputQuantizerTest, WhatStandsForACodeHasThatCodeAndIsItsOwnCanonicalValue) {
  for (const CodeType type : kTypes)
    for (const Step step : Steps(type)) {
      const auto quantizer = InputQuantizer::Make(type, {step}, kOneRun).value();
      const std::vector<float> values = HardValues(type, step);
      std::vector<float> canonical = values;
      quantizer.Canonicalise(canonical);
      const std::vector<int> codes = Codes(type, quantizer, values);
      ASSERT_EQ(codes, Codes(type, quantizer, canonical));
      for (std::size_t i = 0; i < values.size(); ++i) {
        const float dequantized = static_cast<float>(codes[i] - step.zero_point) * step.scale;
        ASSERT_EQ(std::memcmp(&canonical[i], &dequantized, sizeof(float)), 0) << values[i];
        ASSERT_TRUE(canonical[i] == 0 || std::isnormal(canonical[i]));
      }
      std::vector<float> again = canonical;
      quantizer.Canonicalise(again);
      ASSERT_EQ(std::memcmp(again.data(), canonical.data(), again.size() * sizeof(float)), 0);
    }
}

TEST(InputQuantizerTest, RandomValuesOfRandomScalesAreRoundedAsDefined) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    const CodeType type = kTypes[random.Below(4)];
    const auto [low, high] = RangeOf(type);
    const float scale = static_cast<float>(std::exp2(random.Uniform() * 40 - 30));
    const Step step{scale, low + static_cast<int>(random.Below(static_cast<std::uint64_t>(high - low + 1)))};
    const auto quantizer = InputQuantizer::Make(type, {step}, kOneRun).value();
    std::vector<float> values;
    for (int i = 0; i < 50; ++i)
      values.push_back(static_cast<float>((random.Uniform() * 1.2 - 0.6) * (high - low)) * scale);
    const std::vector<int> codes = Codes(type, quantizer, values);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(codes[i], Definition(type, step, values[i]));
  }
}

TEST(InputQuantizerTest, StepsGoAroundAlongAnAxis) {
  // [2, 3, 2], a step for each of the three.
  const auto quantizer = InputQuantizer::Make(CodeType::kInt8, {{1, 0}, {2, 10}, {4, -10}}, 2).value();
  std::vector<float> values = {8, 8.4f, 8, 8.4f, 8, 8.4f, -8, -8.4f, -8, -8.4f, -8, -8.4f};
  EXPECT_THAT(Codes(CodeType::kInt8, quantizer, values), ElementsAre(8, 8, 14, 14, -8, -8, -8, -8, 6, 6, -12, -12));
  quantizer.Canonicalise(values);
  EXPECT_THAT(values, ElementsAre(8, 8, 8, 8, 8, 8, -8, -8, -8, -8, -8, -8));
}

TEST(InputQuantizerTest, ScalesAndZeroPointsThatCannotWorkAreRefused) {
  const auto error = [](Step step, CodeType type = CodeType::kUint8) {
    const auto quantizer = InputQuantizer::Make(type, {step}, kOneRun);
    return quantizer.has_error() ? quantizer.error().message : "";
  };
  for (const float scale : {0.0f, -1.0f, kMin / 2, kMax, std::nanf(""), std::numeric_limits<float>::infinity()})
    EXPECT_THAT(error({scale, 0}), HasSubstr("scale")) << scale;
  EXPECT_THAT(error({1, 256}), HasSubstr("zero point 256"));
  EXPECT_THAT(error({1, -129}, CodeType::kInt8), HasSubstr("zero point -129"));
  EXPECT_EQ(error({1, 65535}, CodeType::kUint16), "");
  EXPECT_TRUE(InputQuantizer::Make(CodeType::kUint8, {}, 1).has_error());
}

}  // namespace
}  // namespace punctual
