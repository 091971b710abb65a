#include <gtest/gtest.h>

#include <cmath>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

const std::vector<float> kNumbersGiven = {-3, -1, -0.25f, 0, 0.25f, 1, 3};

void ExpectFunction(const OperatorUnderTest& op, double (*reference)(double)) {
  SCOPED_TRACE(op.type);
  const auto outputs = op.Run({Numbers<float>({7}, kNumbersGiven)});
  ASSERT_TRUE(outputs.has_value()) << outputs.error().message;
  EXPECT_EQ(outputs.value()[0]->dims(), Dims{7});
  for (std::size_t i = 0; i < kNumbersGiven.size(); ++i)
    EXPECT_NEAR(static_cast<double>(outputs.value()[0]->values<float>()[i]),
                reference(static_cast<double>(kNumbersGiven[i])), 2e-6)
        << kNumbersGiven[i];
}

double Gelu(double x) { return x * 0.5 * (1 + std::erf(x * std::sqrt(0.5))); }

TEST(ActivationTest, DefaultsAreThoseOfOnnx) {
  ExpectFunction({.type = "Relu"}, [](double x) { return std::max(0.0, x); });
  ExpectFunction({.type = "LeakyRelu"}, [](double x) { return x < 0 ? 0.01 * x : x; });
  ExpectFunction({.type = "Elu"}, [](double x) { return x < 0 ? std::expm1(x) : x; });
  ExpectFunction({.type = "Selu"},
                 [](double x) { return 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * std::expm1(x) : x); });
  ExpectFunction({.type = "Gelu", .opset = 20}, Gelu);
  ExpectFunction({.type = "Sigmoid"}, [](double x) { return 1 / (1 + std::exp(-x)); });
  ExpectFunction({.type = "HardSigmoid"}, [](double x) { return std::max(0.0, std::min(1.0, 0.2 * x + 0.5)); });
  ExpectFunction({.type = "Tanh"}, [](double x) { return std::tanh(x); });
  ExpectFunction({.type = "Softplus"}, [](double x) { return std::log1p(std::exp(x)); });
  ExpectFunction({.type = "Erf"}, [](double x) { return std::erf(x); });
  ExpectFunction({.type = "Exp"}, [](double x) { return std::exp(x); });
  ExpectFunction({.type = "Abs"}, [](double x) { return std::abs(x); });
  ExpectFunction({.type = "Neg"}, [](double x) { return -x; });
}

TEST(ActivationTest, AttributesChangeThem) {
  ExpectFunction({.type = "LeakyRelu", .attributes = {{"alpha", 0.5f}}}, [](double x) { return x < 0 ? 0.5 * x : x; });
  ExpectFunction({.type = "Elu", .attributes = {{"alpha", 2.0f}}},
                 [](double x) { return x < 0 ? 2 * std::expm1(x) : x; });
  ExpectFunction({.type = "HardSigmoid", .attributes = {{"alpha", 0.5f}, {"beta", 0.25f}}},
                 [](double x) { return std::max(0.0, std::min(1.0, 0.5 * x + 0.25)); });
  ExpectFunction({.type = "Gelu", .opset = 20, .attributes = {{"approximate", std::string("tanh")}}}, [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  });
  OperatorUnderTest gelu{.type = "Gelu", .opset = 20, .attributes = {{"approximate", std::string("roughly")}}};
  EXPECT_EQ(gelu.Run({Numbers<float>({1}, {1})}).error().code, Code::kFailedPrecondition);
}

TEST(ActivationTest, ClipTakesItsBoundsWhereTheOpsetHasThem) {
  ExpectFunction({.type = "Clip", .opset = 6, .attributes = {{"min", -1.0f}, {"max", 0.5f}}},
                 [](double x) { return std::max(-1.0, std::min(0.5, x)); });
  ExpectFunction({.type = "Clip", .opset = 13}, [](double x) { return x; });
  OperatorUnderTest clip{.type = "Clip", .is_constant = {false, true, true}};
  const Given x = Numbers<float>({3}, {-9, 0, 9});
  const auto upper = clip.Run({x, nullptr, Numbers<float>({}, {2})}).value();
  EXPECT_EQ(upper[0]->values<float>()[0], -9.0f);
  EXPECT_EQ(upper[0]->values<float>()[2], 2.0f);
  clip.is_constant.clear();
  EXPECT_EQ(clip.Run({x, Numbers<float>({}, {2})}).error().code, Code::kFailedPrecondition);
}

TEST(ActivationTest, ArithmeticMayBeDone) {
  const std::vector<double> numbers = {0.25, 1, 9};
  const auto outputs = OperatorUnderTest{.type = "Sqrt"}.Run({Numbers<double>({3}, numbers)}).value();
  EXPECT_EQ(outputs[0]->values<double>()[2], 3.0);
  const auto logs = OperatorUnderTest{.type = "Log"}.Run({Numbers<float>({3}, {0.25f, 1, 9})}).value();
  EXPECT_NEAR(logs[0]->values<float>()[2], std::log(9.0f), 1e-6f);
  EXPECT_EQ(OperatorUnderTest{.type = "Relu"}.Run({Numbers<std::int64_t>({1}, {1})}).error().code,
            Code::kFailedPrecondition);
}

}  // namespace
}  // namespace punctual::native
