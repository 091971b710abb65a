#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <limits>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Result<Given> Cast(const Given& from, std::int64_t to) {
  const OperatorUnderTest op{.type = "Cast", .attributes = {{"to", Attribute(to)}}};
  PUNCTUAL_ASSIGN(const auto computed, op.Run({from}));
  return computed[0];
}

template <class To, class From>
std::vector<To> CastTo(std::int64_t onnx_type, const std::vector<From>& values) {
  const auto cast = Cast(Numbers<From>({std::ssize(values)}, values), onnx_type).value();
  return {cast->template values<To>().begin(), cast->template values<To>().end()};
}

TEST(CastTest, FractionsAreCutTowardsZero) {
  EXPECT_THAT((CastTo<std::int32_t, float>(onnx::TensorProto::INT32, {1.9f, -1.9f, 0.4f})), ElementsAre(1, -1, 0));
  EXPECT_THAT((CastTo<std::uint8_t, float>(onnx::TensorProto::UINT8, {255.9f, -0.9f})), ElementsAre(255, 0));
  EXPECT_THAT((CastTo<std::int64_t, double>(onnx::TensorProto::INT64, {1e15, -2.5})),
              ElementsAre(1'000'000'000'000'000, -2));
}

TEST(CastTest, WhatWholeNumbersCannotHoldIsTheNearestAndNanIsZero) {
  EXPECT_THAT((CastTo<std::int64_t, float>(onnx::TensorProto::INT64, {kNan, kInfinity, -kInfinity, 0x1p63f, -0x1p63f})),
              ElementsAre(0, INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN));
  EXPECT_THAT((CastTo<std::int32_t, float>(onnx::TensorProto::INT32, {kNan, 0x1p31f, -0x1p31f, 0x1.fffffep30f})),
              ElementsAre(0, INT32_MAX, INT32_MIN, 2147483520));
  EXPECT_THAT((CastTo<std::int8_t, double>(onnx::TensorProto::INT8, {127.5, 128, -128.5, -129, 1e300})),
              ElementsAre(127, 127, -128, -128, 127));
  EXPECT_THAT((CastTo<std::uint8_t, float>(onnx::TensorProto::UINT8, {256, -1, kNan})), ElementsAre(255, 0, 0));
}

TEST(CastTest, WholeNumbersWrapAsInC) {
  EXPECT_THAT((CastTo<std::int8_t, std::int64_t>(onnx::TensorProto::INT8, {128, -129, 257})),
              ElementsAre(-128, 127, 1));
  EXPECT_THAT((CastTo<std::uint8_t, std::int8_t>(onnx::TensorProto::UINT8, {-1})), ElementsAre(255));
}

TEST(CastTest, FloatsBecomeLongerAndShorter) {
  EXPECT_THAT((CastTo<double, float>(onnx::TensorProto::DOUBLE, {0.1f})), ElementsAre(static_cast<double>(0.1f)));
  EXPECT_THAT((CastTo<float, double>(onnx::TensorProto::FLOAT, {0.1, 1e300})), ElementsAre(0.1f, kInfinity));
  EXPECT_THAT((CastTo<float, std::int64_t>(onnx::TensorProto::FLOAT, {16777217})), ElementsAre(16777216.0f));
}

TEST(CastTest, TruthsAreWhetherANumberIsNotZero) {
  EXPECT_THAT((CastTo<std::uint8_t, float>(onnx::TensorProto::BOOL, {0, -0.0f, 0.1f, kNan})), ElementsAre(0, 0, 1, 1));
  auto truths = std::make_shared<Constant>(ElementType::kBool, Dims{3});
  for (std::uint8_t i = 0; i < 3; ++i) truths->mutable_values<std::uint8_t>()[i] = i;
  EXPECT_THAT(Cast(truths, onnx::TensorProto::FLOAT).value()->values<float>(), ElementsAre(0, 1, 1));
  EXPECT_THAT(Cast(truths, onnx::TensorProto::INT64).value()->values<std::int64_t>(), ElementsAre(0, 1, 1));
}

TEST(CastTest, EveryTypeBecomesEveryOther) {
  for (const std::int64_t from : {1, 2, 3, 6, 7, 9, 11})
    for (const std::int64_t to : {1, 2, 3, 6, 7, 9, 11}) {
      const Given one = Cast(Numbers<float>({2}, {0, 1}), from).value();
      EXPECT_THAT(Cast(Cast(one, to).value(), 1).value()->values<float>(), ElementsAre(0, 1)) << from << " to " << to;
    }
}

TEST(CastTest, TypesThatGraphsHaveNotAreRefused) {
  const Given one = Numbers<float>({1}, {1});
  for (const auto& [type, name] :
       {std::pair{onnx::TensorProto::FLOAT16, "float16"}, std::pair{onnx::TensorProto::STRING, "string"}}) {
    EXPECT_EQ(Cast(one, type).error().code, Code::kFailedPrecondition);
    EXPECT_THAT(Cast(one, type).error().message, HasSubstr(name));
  }
  EXPECT_EQ(Cast(one, 0).error().code, Code::kFailedPrecondition);
}

TEST(CastLikeTest, TakesTheTypeOfTheOther) {
  const OperatorUnderTest op{.type = "CastLike"};
  EXPECT_THAT(
      op.Run({Numbers<float>({1}, {1.5f}), Numbers<std::int64_t>({2}, {0, 0})}).value()[0]->values<std::int64_t>(),
      ElementsAre(1));
}

}  // namespace
}  // namespace punctual::native::test
