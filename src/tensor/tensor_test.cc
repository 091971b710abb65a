#include "punctual/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace punctual {
namespace {

TEST(TensorTest, CountsElements) {
  EXPECT_EQ(ElementCount({}).value(), 1u);
  EXPECT_EQ(ElementCount({1, 100, 40}).value(), 4000u);
  EXPECT_EQ(ElementCount({3, 0}).value(), 0u);
}

TEST(TensorTest, RefusesNegativeAndHugeShapes) {
  EXPECT_EQ(ElementCount({-1, 4}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(ElementCount({1ll << 31, 2}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(ElementCount({INT64_MAX, INT64_MAX}).error().code, Code::kInvalidArgument);
}

TEST(TensorTest, KeepsValues) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const Tensor tensor = Tensor::Float32({2, 3}, values);
  EXPECT_EQ(tensor.element_count(), 6u);
  EXPECT_EQ(tensor.values<float>()[4], 5.0f);
  EXPECT_EQ(ShapeText(tensor.shape()), "[2,3]");
}

TEST(TensorTest, SaysWhetherEveryNumberIsFinite) {
  Tensor tensor(DType::kFloat32, {3});
  EXPECT_TRUE(AllFinite(tensor.dtype(), tensor.bytes()));
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    tensor.mutable_values<float>()[2] = bad;
    EXPECT_FALSE(AllFinite(tensor.dtype(), tensor.bytes()));
  }
  EXPECT_TRUE(AllFinite(DType::kInt64, Tensor(DType::kInt64, {3}).bytes()));
}

}  // namespace
}  // namespace punctual
