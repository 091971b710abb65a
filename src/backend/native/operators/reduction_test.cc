#include <gtest/gtest.h>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

const Given kX = Numbers<float>({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});

void ExpectReduced(const OperatorUnderTest& op, const std::vector<Given>& inputs, const Dims& dims,
                   const std::vector<float>& expected) {
  const auto outputs = op.Run(inputs);
  ASSERT_TRUE(outputs.has_value()) << outputs.error().message;
  EXPECT_EQ(outputs.value()[0]->dims(), dims);
  const auto values = outputs.value()[0]->values<float>();
  EXPECT_EQ(std::vector<float>(values.begin(), values.end()), expected);
}

Attributes Axes(std::vector<std::int64_t> axes, std::int64_t keepdims = 1) {
  return {{"axes", std::move(axes)}, {"keepdims", keepdims}};
}

TEST(ReductionTest, AxesMayBeAnyOfTheInputs) {
  ExpectReduced({.type = "ReduceMean", .attributes = Axes({-1})}, {kX}, {2, 2, 1}, {2, 5, 8, 11});
  ExpectReduced({.type = "ReduceMean", .attributes = Axes({1}, 0)}, {kX}, {2, 3},
                {2.5f, 3.5f, 4.5f, 8.5f, 9.5f, 10.5f});
  ExpectReduced({.type = "ReduceMax", .attributes = Axes({0})}, {kX}, {1, 2, 3}, {7, 8, 9, 10, 11, 12});
  ExpectReduced({.type = "ReduceMin", .attributes = Axes({2, 0}, 0)}, {kX}, {2}, {1, 4});
  ExpectReduced({.type = "ReduceMean", .attributes = Axes({0, 2}, 0)}, {kX}, {2}, {5, 8});
  ExpectReduced({.type = "ReduceMean"}, {kX}, {1, 1, 1}, {6.5f});
  ExpectReduced({.type = "ReduceSum", .opset = 11, .attributes = {{"keepdims", std::int64_t{0}}}}, {kX}, {}, {78});
}

TEST(ReductionTest, AxesAreAnInputSinceTheirOpset) {
  const Given last = Numbers<std::int64_t>({1}, {-1}), none = Numbers<std::int64_t>({0}, {});
  OperatorUnderTest sum{.type = "ReduceSum", .opset = 13, .is_constant = {false, true}};
  ExpectReduced(sum, {kX, last}, {2, 2, 1}, {6, 15, 24, 33});
  ExpectReduced(sum, {kX, none}, {1, 1, 1}, {78});
  ExpectReduced(sum, {kX}, {1, 1, 1}, {78});
  sum.attributes["noop_with_empty_axes"] = std::int64_t{1};
  ExpectReduced(sum, {kX, none}, {2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  OperatorUnderTest mean{.type = "ReduceMean", .opset = 18, .is_constant = {false, true}};
  ExpectReduced(mean, {kX, last}, {2, 2, 1}, {2, 5, 8, 11});
  mean.is_constant.clear();
  EXPECT_EQ(mean.Run({kX, last}).error().code, Code::kFailedPrecondition);
  EXPECT_EQ(sum.Run({kX, Numbers<std::int64_t>({1}, {3})}).error().code, Code::kInvalidArgument);
}

TEST(ReductionTest, ManyGroupsOfAxesAreReducedOneByOne) {
  std::vector<float> ones(2 * 3 * 2 * 3 * 2, 1);
  ExpectReduced({.type = "ReduceMax", .attributes = Axes({0, 2, 4}, 0)}, {Numbers<float>({2, 3, 2, 3, 2}, ones)},
                {3, 3}, std::vector<float>(9, 1));
  ExpectReduced({.type = "ReduceMean", .attributes = Axes({0, 2, 4}, 0)}, {Numbers<float>({2, 3, 2, 3, 2}, ones)},
                {3, 3}, std::vector<float>(9, 1));
}

TEST(ReductionTest, ArgMaxTakesTheFirstOrTheLastOfEquals) {
  const Given x = Numbers<float>({2, 3}, {1, 5, 5, 7, 7, 2});
  const auto run = [&](const char* type, const Attributes& attributes) {
    const auto result = OperatorUnderTest{.type = type, .attributes = attributes}.Run({x}).value()[0];
    const auto values = result->values<std::int64_t>();
    return std::make_pair(result->dims(), std::vector<std::int64_t>(values.begin(), values.end()));
  };
  using Expected = std::pair<Dims, std::vector<std::int64_t>>;
  const std::int64_t one = 1, none = 0;
  EXPECT_EQ(run("ArgMax", {{"axis", one}}), (Expected{{2, 1}, {1, 0}}));
  EXPECT_EQ(run("ArgMax", {{"axis", one}, {"keepdims", none}}), (Expected{{2}, {1, 0}}));
  EXPECT_EQ(run("ArgMax", {{"axis", one}, {"select_last_index", one}}), (Expected{{2, 1}, {2, 1}}));
  EXPECT_EQ(run("ArgMax", {}), (Expected{{1, 3}, {1, 1, 0}}));
  EXPECT_EQ(run("ArgMin", {}), (Expected{{1, 3}, {0, 0, 1}}));
}

}  // namespace
}  // namespace punctual::native
