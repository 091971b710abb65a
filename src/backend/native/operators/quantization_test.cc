#include "backend/native/operators/quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Numbers;
using test::OperatorUnderTest;

template <class T>
std::vector<T> ValuesOf(const test::Given& given) {
  const auto values = given->values<T>();
  return {values.begin(), values.end()};
}

OperatorUnderTest Under(std::string_view type, Attributes attributes = {}, int opset = 13) {
  return {.type = type, .opset = opset, .attributes = std::move(attributes), .is_constant = {false, true, true}};
}

TEST(QuantizeLinearTest, GivesCodesOfTheZeroPointsType) {
  const auto x = Numbers<float>({2, 3}, {0, 2, 3, 1000, -254, -1000});
  const auto scale = Numbers<float>({}, {2});
  EXPECT_EQ(
      ValuesOf<std::uint8_t>(Under("QuantizeLinear").Run({x, scale, Numbers<std::uint8_t>({}, {128})}).value()[0]),
      (std::vector<std::uint8_t>{128, 129, 130, 255, 1, 0}));
  EXPECT_EQ(ValuesOf<std::int8_t>(Under("QuantizeLinear").Run({x, scale, Numbers<std::int8_t>({1}, {-1})}).value()[0]),
            (std::vector<std::int8_t>{-1, 0, 1, 127, -128, -128}));
  EXPECT_EQ(ValuesOf<std::uint8_t>(Under("QuantizeLinear", {}, 10).Run({x, scale}).value()[0]),
            (std::vector<std::uint8_t>{0, 1, 2, 255, 0, 0}));
}

TEST(QuantizeLinearTest, HasAScaleForEachIndexOfAnAxis) {
  const auto x = Numbers<float>({2, 3, 1}, {1, 2, 3, 4, 5, 6});
  const auto scales = Numbers<float>({3}, {1, 0.5, 0.25});
  const auto zero_points = Numbers<std::uint8_t>({3}, {10, 20, 30});
  for (const std::int64_t axis : {1, -2})
    EXPECT_EQ(
        ValuesOf<std::uint8_t>(Under("QuantizeLinear", {{"axis", axis}}).Run({x, scales, zero_points}).value()[0]),
        (std::vector<std::uint8_t>{11, 24, 42, 14, 30, 54}));
}

TEST(QuantizeLinearTest, WhatItCannotComputeIsRefused) {
  const auto x = Numbers<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const auto refused = [&](const test::Given& scale, const test::Given& zero_point, Attributes attributes = {}) {
    const auto result = Under("QuantizeLinear", std::move(attributes), 21).Run({x, scale, zero_point});
    return result.has_error() ? result.error().message : "";
  };
  EXPECT_THAT(refused(Numbers<float>({}, {0}), nullptr), ::testing::HasSubstr("above zero"));
  EXPECT_THAT(refused(Numbers<float>({}, {std::nanf("")}), nullptr), ::testing::HasSubstr("above zero"));
  EXPECT_THAT(refused(Numbers<float>({2}, {1, 1}), nullptr), ::testing::HasSubstr("for the 3 of axis 1"));
  EXPECT_THAT(refused(Numbers<float>({3}, {1, 1, 1}), Numbers<std::uint8_t>({}, {0})),
              ::testing::HasSubstr("not as many numbers"));
  EXPECT_THAT(refused(Numbers<float>({3}, {1, 1, 1}), nullptr, {{"axis", std::int64_t{2}}}),
              ::testing::HasSubstr("axis 2"));
  EXPECT_THAT(refused(Numbers<float>({}, {1}), nullptr, {{"block_size", std::int64_t{2}}}),
              ::testing::HasSubstr("by block"));
  EXPECT_THAT(refused(Numbers<float>({}, {1}), Numbers<std::int32_t>({}, {0})), ::testing::HasSubstr("int32"));
}

TEST(DequantizeLinearTest, GivesNumbersOfCodesOfAnyType) {
  const auto scale = Numbers<float>({}, {0.5});
  EXPECT_EQ(ValuesOf<float>(Under("DequantizeLinear")
                                .Run({Numbers<std::uint8_t>({3}, {0, 7, 255}), scale, Numbers<std::uint8_t>({}, {5})})
                                .value()[0]),
            (std::vector<float>{-2.5, 1, 125}));
  EXPECT_EQ(
      ValuesOf<float>(Under("DequantizeLinear").Run({Numbers<std::int8_t>({3}, {-128, 7, 127}), scale}).value()[0]),
      (std::vector<float>{-64, 3.5, 63.5}));
  EXPECT_EQ(
      ValuesOf<float>(Under("DequantizeLinear").Run({Numbers<std::int32_t>({2}, {-1000, 1 << 20}), scale}).value()[0]),
      (std::vector<float>{-500, 1 << 19}));
}

TEST(DequantizeLinearTest, HasAScaleForEachIndexOfAnAxis) {
  const auto codes = Numbers<std::int8_t>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto scales = Numbers<float>({2}, {1, 10});
  const auto zero_points = Numbers<std::int8_t>({2}, {0, 1});
  const auto run = [&](std::int64_t axis) {
    return ValuesOf<float>(Under("DequantizeLinear", {{"axis", axis}}).Run({codes, scales, zero_points}).value()[0]);
  };
  EXPECT_EQ(run(0), (std::vector<float>{1, 2, 3, 4, 40, 50, 60, 70}));
  EXPECT_EQ(run(1), (std::vector<float>{1, 2, 20, 30, 5, 6, 60, 70}));
  EXPECT_EQ(run(2), (std::vector<float>{1, 10, 3, 30, 5, 50, 7, 70}));
}

TEST(DequantizeLinearTest, Int32CodesHaveNoZeroPoint) {
  const auto result =
      Under("DequantizeLinear")
          .Run({Numbers<std::int32_t>({1}, {1}), Numbers<float>({}, {1}), Numbers<std::int32_t>({}, {1})});
  EXPECT_THAT(result.error().message, ::testing::HasSubstr("must be 0"));
}

}  // namespace
}  // namespace punctual::native
