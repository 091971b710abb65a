#include <gtest/gtest.h>

#include <cmath>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

Given Counted(Dims dims) {
  std::vector<float> numbers(CountOf(dims));
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i * 7 % 5);
  return Numbers(std::move(dims), numbers);
}

// Over the middle of [outer][count][inner].
void ExpectSoftmax(const OperatorUnderTest& op, const Given& x, std::size_t count, std::size_t inner) {
  const auto outputs = op.Run({x});
  ASSERT_TRUE(outputs.has_value()) << outputs.error().message;
  EXPECT_EQ(outputs.value()[0]->dims(), x->dims());
  const auto from = x->values<float>(), to = outputs.value()[0]->values<float>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t first = i / (count * inner) * count * inner + i % inner;
    double sum = 0;
    for (std::size_t k = 0; k < count; ++k) sum += std::exp(static_cast<double>(from[first + k * inner]));
    const double expected = std::exp(static_cast<double>(from[i])) / sum;
    EXPECT_NEAR(static_cast<double>(to[i]), op.type == "Softmax" ? expected : std::log(expected), 2e-6);
  }
}

TEST(SoftmaxOperatorTest, IsOfTheAxisSinceOpset13) {
  const Given x = Counted({2, 3, 4});
  for (const char* type : {"Softmax", "LogSoftmax"}) {
    ExpectSoftmax({.type = type, .opset = 13}, x, 4, 1);
    ExpectSoftmax({.type = type, .opset = 13, .attributes = {{"axis", std::int64_t{1}}}}, x, 3, 4);
    ExpectSoftmax({.type = type, .opset = 13, .attributes = {{"axis", std::int64_t{-3}}}}, x, 2, 12);
  }
}

TEST(SoftmaxOperatorTest, IsOfAllFromTheAxisOnBefore) {
  const Given x = Counted({2, 3, 4});
  for (const char* type : {"Softmax", "LogSoftmax"}) {
    ExpectSoftmax({.type = type, .opset = 12}, x, 12, 1);
    ExpectSoftmax({.type = type, .opset = 11, .attributes = {{"axis", std::int64_t{0}}}}, x, 24, 1);
    ExpectSoftmax({.type = type, .opset = 11, .attributes = {{"axis", std::int64_t{-1}}}}, x, 4, 1);
  }
}

TEST(SoftmaxOperatorTest, AnAxisThatIsNotThereIsRefused) {
  OperatorUnderTest op{.type = "Softmax", .attributes = {{"axis", std::int64_t{3}}}};
  EXPECT_EQ(op.Run({Counted({2, 3, 4})}).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace punctual::native
