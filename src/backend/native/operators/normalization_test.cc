#include <gtest/gtest.h>

#include <cmath>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

void ExpectNear(const Given& computed, const std::vector<double>& expected) {
  ASSERT_EQ(computed->count(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(static_cast<double>(computed->values<float>()[i]), expected[i], 5e-6) << i;
}

TEST(NormalizationTest, BatchNormalizationScalesChannels) {
  OperatorUnderTest op{.type = "BatchNormalization", .is_constant = {false, true, true, true, true}};
  op.attributes["epsilon"] = 0.5f;
  std::vector<Given> inputs = {Numbers<float>({1, 2, 3}, {1, 2, 3, 4, 5, 6}), Numbers<float>({2}, {2, 3}),
                               Numbers<float>({2}, {10, 20}), Numbers<float>({2}, {1, 4}),
                               Numbers<float>({2}, {3.5f, 0.5f})};
  const auto outputs = op.Run(inputs).value();
  EXPECT_EQ(outputs[0]->dims(), (Dims{1, 2, 3}));
  ExpectNear(outputs[0], {10, 11, 12, 20, 23, 26});
  inputs[0] = Numbers<float>({2, 2}, {1, 4, 2, 5});
  ExpectNear(op.Run(inputs).value()[0], {10, 20, 11, 23});

  op.attributes["training_mode"] = std::int64_t{1};
  EXPECT_EQ(op.Run(inputs).error().code, Code::kFailedPrecondition);
  op.attributes.erase("training_mode");
  inputs[1] = Numbers<float>({3}, {1, 1, 1});
  EXPECT_EQ(op.Run(inputs).error().code, Code::kInvalidArgument);
}

TEST(NormalizationTest, LayerNormalizationAlsoGivesItsStatistics) {
  OperatorUnderTest op{.type = "LayerNormalization", .outputs = 3};
  op.attributes["epsilon"] = 0.0f;
  const Given x = Numbers<float>({2, 1, 4}, {1, 3, 1, 3, 0, 8, 8, 0});
  const Given scale = Numbers<float>({4}, {1, 2, 3, 4}), bias = Numbers<float>({4}, {0, 0, 10, 10});
  const auto outputs = op.Run({x, scale, bias}).value();
  ExpectNear(outputs[0], {-1, 2, 7, 14, -1, 2, 13, 6});
  EXPECT_EQ(outputs[1]->dims(), (Dims{2, 1, 1}));
  ExpectNear(outputs[1], {2, 4});
  ExpectNear(outputs[2], {1, 0.25});

  OperatorUnderTest without_bias{.type = "LayerNormalization"};
  without_bias.attributes["epsilon"] = 0.0f;
  without_bias.attributes["axis"] = std::int64_t{-2};
  ExpectNear(without_bias.Run({x, Numbers<float>({1, 4}, {1, 2, 3, 4})}).value()[0], {-1, 2, -3, 4, -1, 2, 3, -4});
  EXPECT_EQ(without_bias.Run({x, Numbers<float>({3}, {1, 2, 3})}).error().code, Code::kFailedPrecondition);
}

TEST(NormalizationTest, InstanceNormalizationNormalizesEachChannel) {
  OperatorUnderTest op{.type = "InstanceNormalization"};
  op.attributes["epsilon"] = 0.0f;
  const auto outputs = op.Run({Numbers<float>({2, 2, 2}, {1, 3, 0, 8, 5, 5.5f, 7, 3}), Numbers<float>({2}, {2, 3}),
                               Numbers<float>({2}, {0, 10})})
                           .value();
  ExpectNear(outputs[0], {-2, 2, 7, 13, -2, 2, 13, 7});
}

}  // namespace
}  // namespace punctual::native
