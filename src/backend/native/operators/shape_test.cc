#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/native/operators/expect_error_for_test.h"
#include "backend/native/operators/operator_under_test.h"

namespace punctual::native::test {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using Ints = std::vector<std::int64_t>;

const Given kSix = Numbers<float>({2, 3}, {1, 2, 3, 4, 5, 6});

Given Axes(const Ints& axes) { return Numbers<std::int64_t>({std::ssize(axes)}, axes); }

// The first output, of an operator that leaves the numbers as they are.
void ExpectDims(const OperatorUnderTest& op, const std::vector<Given>& inputs, const Dims& dims) {
  const auto computed = op.Run(inputs);
  ASSERT_TRUE(computed.has_value()) << computed.error().message;
  EXPECT_EQ(computed->at(0)->dims(), dims);
  EXPECT_THAT(computed->at(0)->values<float>(), ElementsAreArray(inputs[0]->values<float>()));
}

TEST(ReshapeTest, TakesOverAndFillsIn) {
  OperatorUnderTest op{.type = "Reshape", .is_constant = {false, true}};
  ExpectDims(op, {kSix, Axes({6})}, {6});
  ExpectDims(op, {kSix, Axes({0, -1, 1})}, {2, 3, 1});
  ExpectDims(op, {kSix, Axes({-1, 2})}, {3, 2});
  ExpectDims(op, {Numbers<float>({1}, {4}), Axes({})}, {});
  op.attributes = {{"allowzero", Attribute(std::int64_t{1})}};
  ExpectDims(op, {Numbers<float>({2, 0}, {}), Axes({0, 7})}, {0, 7});
}

TEST(ReshapeTest, TheShapeWasAnAttributeOnce) {
  ExpectDims({.type = "Reshape", .opset = 1, .attributes = {{"shape", Attribute(Ints{3, -1})}}}, {kSix}, {3, 2});
}

TEST(ReshapeTest, ShapesThatDoNotHoldTheNumbersAreRefused) {
  OperatorUnderTest op{.type = "Reshape", .is_constant = {false, true}};
  ExpectWrong(op, {kSix, Axes({5})}, "shape [5] does not hold what [2,3] does");
  ExpectWrong(op, {kSix, Axes({-1, 4})}, "does not divide");
  ExpectWrong(op, {kSix, Axes({-1, -1})}, "is none");
  ExpectWrong(op, {kSix, Axes({-2, 3})}, "is none");
  ExpectWrong(op, {kSix, Axes({2, 3, 0})}, "takes a dimension that its input does not have");
  ExpectWrong(op, {kSix, Axes({INT64_MAX, INT64_MAX})}, "is too large");
  ExpectWrong(op, {kSix}, "has no shape");
  ExpectWrong(op, {Numbers<float>({0}, {}), Axes({0, -1})}, "");
  op.is_constant = {};
  ExpectError(op, {kSix, Axes({6})}, Code::kFailedPrecondition, "is only known when the model runs");
}

TEST(FlattenTest, SplitsAtTheAxis) {
  const Given box = Numbers<float>({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const auto flatten = [](std::int64_t axis) {
    return OperatorUnderTest{.type = "Flatten", .attributes = {{"axis", Attribute(axis)}}};
  };
  ExpectDims({.type = "Flatten"}, {box}, {2, 3});
  ExpectDims(flatten(0), {box}, {1, 6});
  ExpectDims(flatten(3), {box}, {6, 1});
  ExpectDims(flatten(-1), {box}, {2, 3});
  ExpectWrong(flatten(4), {box}, "axis 4");
  ExpectWrong(flatten(-4), {box}, "axis -4");
}

TEST(SqueezeTest, TakesOnesAway) {
  const Given box = Numbers<float>({1, 3, 1}, {1, 2, 3});
  OperatorUnderTest op{.type = "Squeeze", .is_constant = {false, true}};
  ExpectDims(op, {box}, {3});
  ExpectDims(op, {box, Axes({-1})}, {1, 3});
  ExpectDims({.type = "Squeeze", .opset = 11, .attributes = {{"axes", Attribute(Ints{0})}}}, {box}, {3, 1});
  ExpectWrong(op, {box, Axes({1})}, "axis 1 of [1,3,1] is not 1");
  ExpectWrong(op, {box, Axes({0, -3})}, "is named twice");
  ExpectWrong(op, {box, Axes({3})}, "axis 3");
}

TEST(UnsqueezeTest, PutsOnesIn) {
  OperatorUnderTest op{.type = "Unsqueeze", .is_constant = {false, true}};
  ExpectDims(op, {kSix, Axes({-1, 0})}, {1, 2, 3, 1});
  ExpectDims({.type = "Unsqueeze", .opset = 11, .attributes = {{"axes", Attribute(Ints{1})}}}, {kSix}, {2, 1, 3});
  ExpectWrong(op, {kSix, Axes({3})}, "axis 3");
  ExpectWrong(op, {kSix, Axes({0, 0})}, "is named twice");
  ExpectWrong(op, {kSix}, "has no axes");
  ExpectWrong(op, {kSix, Axes({0, 1, 2, 3, 4, 5, 6})}, "more than 8 dimensions");
}

TEST(IdentityTest, GivesBackWhatItGets) { ExpectDims({.type = "Identity"}, {kSix}, {2, 3}); }

Given Truth(std::uint8_t truth) {
  auto constant = std::make_shared<Constant>(ElementType::kBool, Dims{});
  constant->mutable_values<std::uint8_t>()[0] = truth;
  return constant;
}

TEST(DropoutTest, LetsEverythingPassOutsideOfTraining) {
  OperatorUnderTest op{.type = "Dropout", .outputs = 2, .is_constant = {false, true, true}};
  const auto computed = op.Run({kSix, Numbers<float>({}, {0.5f}), Truth(0)}).value();
  EXPECT_THAT(computed[0]->values<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(computed[1]->type(), ElementType::kBool);
  EXPECT_THAT(computed[1]->values<std::uint8_t>(), ElementsAre(1, 1, 1, 1, 1, 1));
  ExpectDims({.type = "Dropout", .opset = 7, .attributes = {{"ratio", Attribute(0.3f)}}}, {kSix}, {2, 3});
}

TEST(DropoutTest, TrainingIsRefused) {
  OperatorUnderTest op{.type = "Dropout", .is_constant = {false, true, true}};
  ExpectError(op, {kSix, nullptr, Truth(1)}, Code::kFailedPrecondition, "is in training mode");
  op.is_constant = {};
  ExpectError(op, {kSix, nullptr, Truth(0)}, Code::kFailedPrecondition, "is in training mode");
  op = {.type = "Dropout", .opset = 7, .outputs = 2};
  ExpectError(op, {kSix}, Code::kFailedPrecondition, "its mask is not supported");
}

TEST(ConstantTest, HasOneOfFiveFormsOfValue) {
  const auto constant = [](const char* form, Attribute value) {
    const OperatorUnderTest op{.type = "Constant", .attributes = {{form, std::move(value)}}};
    return op.Run({}).value()[0];
  };
  EXPECT_EQ(constant("value", Attribute(kSix))->dims(), (Dims{2, 3}));
  EXPECT_THAT(constant("value_float", Attribute(2.5f))->values<float>(), ElementsAre(2.5f));
  EXPECT_EQ(constant("value_float", Attribute(2.5f))->dims(), Dims{});
  EXPECT_THAT(constant("value_floats", Attribute(std::vector<float>{1, 2}))->values<float>(), ElementsAre(1, 2));
  EXPECT_THAT(constant("value_int", Attribute(std::int64_t{5}))->values<std::int64_t>(), ElementsAre(5));
  EXPECT_THAT(constant("value_ints", Attribute(Ints{5, 6}))->values<std::int64_t>(), ElementsAre(5, 6));
  ExpectWrong({.type = "Constant"}, {}, "must have one value");
  ExpectError({.type = "Constant", .attributes = {{"value_string", Attribute(std::string("a"))}}}, {},
              Code::kFailedPrecondition, "attribute \"value_string\" is not supported");
}

TEST(ShapeTest, IsKnownBeforeTheModelRuns) {
  const Given box = Numbers<float>({2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const auto shape = [&](Attributes attributes) {
    const OperatorUnderTest op{.type = "Shape", .attributes = std::move(attributes)};
    const auto computed = op.Run({box}).value();
    return Ints(computed[0]->values<std::int64_t>().begin(), computed[0]->values<std::int64_t>().end());
  };
  EXPECT_THAT(shape({}), ElementsAre(2, 1, 3));
  EXPECT_THAT(shape({{"start", Attribute(std::int64_t{-2})}}), ElementsAre(1, 3));
  EXPECT_THAT(shape({{"start", Attribute(std::int64_t{-9})}, {"end", Attribute(std::int64_t{-1})}}), ElementsAre(2, 1));
  EXPECT_THAT(shape({{"start", Attribute(std::int64_t{2})}, {"end", Attribute(std::int64_t{1})}}), ElementsAre());
  const OperatorUnderTest size{.type = "Size"};
  EXPECT_THAT(size.Run({box}).value()[0]->values<std::int64_t>(), ElementsAre(6));
}

TEST(ConstantOfShapeTest, RepeatsOneNumber) {
  OperatorUnderTest op{.type = "ConstantOfShape", .is_constant = {true}};
  EXPECT_THAT(op.Run({Axes({2})}).value()[0]->values<float>(), ElementsAre(0, 0));
  op.attributes = {{"value", Attribute(Numbers<std::int64_t>({1}, {7}))}};
  EXPECT_THAT(op.Run({Axes({1, 3})}).value()[0]->values<std::int64_t>(), ElementsAre(7, 7, 7));
  ExpectWrong(op, {Axes({INT64_MAX, 2})}, "elements");
  ExpectWrong(op, {Axes({-1})}, "negative dimension");
  op.attributes = {{"value", Attribute(kSix)}};
  ExpectWrong(op, {Axes({2})}, "its value must be one number");
}

}  // namespace
}  // namespace punctual::native::test
