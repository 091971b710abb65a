#include "model/difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace punctual {
namespace {

Outputs Scores(const std::vector<float>& values, Shape shape = {}, const std::string& name = "p") {
  if (shape.empty()) shape = {1, static_cast<std::int64_t>(values.size())};
  return Outputs(std::vector<NamedTensor>{{name, Tensor::Float32(shape, values)}});
}

TEST(DifferenceTest, TellsAnotherArgmaxFromAnotherValue) {
  const Outputs given = Scores({0.25f, 0.5f, -0.75f});
  EXPECT_FALSE(Compare(given, given).argmax);
  EXPECT_EQ(Compare(given, given).largest, 0);
  EXPECT_EQ(Compare(given, given).scale, 0.75);
  const Difference value = Compare(given, Scores({0.25f, 1.5f, -0.5f}));
  EXPECT_FALSE(value.argmax);
  EXPECT_EQ(value.largest, 1);
  const Difference both = Compare(given, Scores({0.625f, 0.5f, -0.75f}));
  EXPECT_TRUE(both.argmax);
  EXPECT_EQ(both.largest, 0.375);
}

TEST(DifferenceTest, TheArgmaxIsOfEachRowOfTheLastAxis) {
  const Outputs given = Scores({1, 2, 4, 3}, {2, 2});
  EXPECT_FALSE(Compare(given, Scores({1, 2, 5, 3}, {2, 2})).argmax);
  EXPECT_TRUE(Compare(given, Scores({1, 2, 3, 4}, {2, 2})).argmax);
  // One number has no place that could change, however large it is.
  EXPECT_FALSE(Compare(Scores({1}), Scores({9})).argmax);
}

TEST(DifferenceTest, OutputsOfAnotherKindAreInfinitelyFar) {
  const auto is_infinite = [given = Scores({1, 2})](const Outputs& other) {
    return std::isinf(Compare(given, other).largest);
  };
  EXPECT_FALSE(is_infinite(Scores({3, 4})));
  EXPECT_TRUE(is_infinite(Scores({1, 2}, {2, 1})));
  EXPECT_TRUE(is_infinite(Scores({1, 2}, {1, 2}, "q")));
  EXPECT_TRUE(is_infinite(Scores({1, 2, 3})));
  EXPECT_TRUE(is_infinite(Outputs()));
  const std::vector<NamedTensor> whole = {{"p", Tensor(DType::kInt32, {1, 2})}};
  EXPECT_TRUE(is_infinite(Outputs(whole)));
  EXPECT_TRUE(is_infinite(Scores({1, std::numeric_limits<float>::quiet_NaN()})));
}

TEST(DifferenceTest, EveryDTypeIsCompared) {
  const auto one = []<class T>(DType dtype, T value) {
    Tensor tensor(dtype, {1, 2});
    tensor.mutable_values<T>()[1] = value;
    return Outputs(std::vector<NamedTensor>{{"p", tensor}});
  };
  const auto between = [&]<class T>(DType dtype, T a, T b) { return Compare(one(dtype, a), one(dtype, b)).largest; };
  EXPECT_EQ(between(DType::kFloat32, 1.0f, -2.0f), 3);
  EXPECT_EQ(between(DType::kFloat64, 1.0, -2.0), 3);
  EXPECT_EQ(between(DType::kInt32, std::int32_t{1}, std::int32_t{-2}), 3);
  EXPECT_EQ(between(DType::kInt64, std::int64_t{1}, std::int64_t{-2}), 3);
}

TEST(DifferenceTest, OfSeveralOutputsTheWorstCounts) {
  const auto both = [](std::vector<float> p, std::vector<float> q) {
    return Outputs(std::vector<NamedTensor>{{"p", Tensor::Float32({1, 2}, p)}, {"q", Tensor::Float32({1, 2}, q)}});
  };
  const Difference difference = Compare(both({1, 2}, {4, 3}), both({3, 2}, {5, 3}));
  EXPECT_TRUE(difference.argmax);
  EXPECT_EQ(difference.largest, 2);
  EXPECT_EQ(difference.scale, 4);
}

}  // namespace
}  // namespace punctual
