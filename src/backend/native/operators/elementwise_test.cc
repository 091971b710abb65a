#include <gtest/gtest.h>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

template <class T>
std::vector<T> ValuesOf(const Given& of) {
  EXPECT_EQ(of->type(), kElementType<T>);
  const auto values = of->values<T>();
  return {values.begin(), values.end()};
}

TEST(ElementwiseTest, ArithmeticBroadcastsInAllTypes) {
  const auto check = [](auto number) {
    using T = decltype(number);
    const Given matrix = Numbers<T>({2, 3}, {1, 2, 3, 4, 5, 6}), row = Numbers<T>({3}, {1, 2, 3});
    const auto run = [&](const char* type) {
      const auto outputs = OperatorUnderTest{.type = type}.Run({matrix, row}).value();
      EXPECT_EQ(outputs[0]->dims(), (Dims{2, 3}));
      return ValuesOf<T>(outputs[0]);
    };
    EXPECT_EQ(run("Add"), (std::vector<T>{2, 4, 6, 5, 7, 9}));
    EXPECT_EQ(run("Sub"), (std::vector<T>{0, 0, 0, 3, 3, 3}));
    EXPECT_EQ(run("Mul"), (std::vector<T>{1, 4, 9, 4, 10, 18}));
    EXPECT_EQ(run("Div").back(), T{2});
    EXPECT_EQ(run("Min"), (std::vector<T>{1, 2, 3, 1, 2, 3}));
    EXPECT_EQ(run("Max"), (std::vector<T>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(run("Sum"), (std::vector<T>{2, 4, 6, 5, 7, 9}));
  };
  check(float{});
  check(double{});
  check(std::int32_t{});
  check(std::int64_t{});
}

TEST(ElementwiseTest, WhatDoesNotFitIsRefused) {
  const Given three = Numbers<float>({3}, {1, 2, 3}), two = Numbers<float>({2}, {1, 2});
  EXPECT_EQ(OperatorUnderTest{.type = "Add"}.Run({three, two}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(OperatorUnderTest{.type = "Add"}.Run({three, Numbers<double>({1}, {1})}).error().code,
            Code::kInvalidArgument);
  EXPECT_EQ(OperatorUnderTest{.type = "Add"}.Run({three, nullptr}).error().code, Code::kInvalidArgument);
  const Given codes = Numbers<std::int8_t>({1}, {1});
  EXPECT_EQ(OperatorUnderTest{.type = "Add"}.Run({codes, codes}).error().code, Code::kFailedPrecondition);
  OperatorUnderTest old{.type = "Add", .opset = 6};
  EXPECT_EQ(old.Run({three, three}).error().code, Code::kFailedPrecondition);
}

TEST(ElementwiseTest, ManyInputsAreTakenTogether) {
  const Given row = Numbers<float>({3}, {1, 2, 3}), column = Numbers<float>({2, 1}, {0, 9}),
              one = Numbers<float>({}, {3});
  const auto run = [&](const char* type, const std::vector<Given>& inputs) {
    return ValuesOf<float>(OperatorUnderTest{.type = type}.Run(inputs).value()[0]);
  };
  EXPECT_EQ(run("Sum", {row, column, one}), (std::vector<float>{4, 5, 6, 13, 14, 15}));
  EXPECT_EQ(run("Mean", {row, column, one}), (std::vector<float>{4.0f / 3, 5.0f / 3, 2, 13.0f / 3, 14.0f / 3, 5}));
  EXPECT_EQ(run("Max", {one, row, column}), (std::vector<float>{3, 3, 3, 9, 9, 9}));
  EXPECT_EQ(run("Min", {row}), (std::vector<float>{1, 2, 3}));
}

TEST(ElementwiseTest, PowersTakeExponentsOfOtherTypesIfConstant) {
  const Given x = Numbers<float>({3}, {1, 2, 3});
  OperatorUnderTest pow{.type = "Pow", .is_constant = {false, true}};
  EXPECT_EQ(ValuesOf<float>(pow.Run({x, Numbers<float>({}, {2})}).value()[0]), (std::vector<float>{1, 4, 9}));
  EXPECT_EQ(ValuesOf<float>(pow.Run({x, Numbers<std::int64_t>({1}, {3})}).value()[0]), (std::vector<float>{1, 8, 27}));
  EXPECT_EQ(ValuesOf<float>(pow.Run({x, Numbers<float>({3}, {0, 1, 2})}).value()[0]), (std::vector<float>{1, 2, 9}));
  pow.is_constant.clear();
  EXPECT_EQ(ValuesOf<float>(pow.Run({x, x}).value()[0]), (std::vector<float>{1, 4, 27}));
  EXPECT_EQ(pow.Run({x, Numbers<std::int64_t>({1}, {3})}).error().code, Code::kFailedPrecondition);
}

TEST(ElementwiseTest, ComparisonsGiveTruths) {
  const Given a = Numbers<float>({3}, {1, 2, 3}), b = Numbers<float>({1}, {2});
  const auto run = [&](const char* type) {
    const Given result = OperatorUnderTest{.type = type}.Run({a, b}).value()[0];
    EXPECT_EQ(result->type(), ElementType::kBool);
    const auto values = result->values<std::uint8_t>();
    return std::vector<int>(values.begin(), values.end());
  };
  EXPECT_EQ(run("Equal"), (std::vector<int>{0, 1, 0}));
  EXPECT_EQ(run("Less"), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(run("LessOrEqual"), (std::vector<int>{1, 1, 0}));
  EXPECT_EQ(run("Greater"), (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(run("GreaterOrEqual"), (std::vector<int>{0, 1, 1}));
}

TEST(ElementwiseTest, WhereChoosesByTruth) {
  auto truths = std::make_shared<Constant>(ElementType::kBool, Dims{2, 1});
  truths->mutable_values<std::uint8_t>()[1] = 1;
  const auto run = [&](const Given& yes, const Given& no) {
    return OperatorUnderTest{.type = "Where"}.Run({truths, yes, no}).value()[0];
  };
  EXPECT_EQ(ValuesOf<float>(run(Numbers<float>({2}, {1, 2}), Numbers<float>({}, {0}))),
            (std::vector<float>{0, 0, 1, 2}));
  EXPECT_EQ(ValuesOf<std::int64_t>(run(Numbers<std::int64_t>({}, {5}), Numbers<std::int64_t>({1}, {7}))),
            (std::vector<std::int64_t>{7, 5}));
}

}  // namespace
}  // namespace punctual::native
