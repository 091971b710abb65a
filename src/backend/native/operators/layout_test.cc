#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "backend/native/operators/expect_error_for_test.h"
#include "backend/native/operators/operator_under_test.h"

namespace punctual::native::test {
namespace {

using ::testing::ElementsAre;
using Ints = std::vector<std::int64_t>;

// 0, 1, 2, ...
Given Counting(Dims dims) {
  auto constant = std::make_shared<Constant>(ElementType::kFloat32, std::move(dims));
  const auto values = constant->mutable_values<float>();
  std::iota(values.begin(), values.end(), 0.0f);
  return constant;
}

Given List(const Ints& ints) { return Numbers<std::int64_t>({std::ssize(ints)}, ints); }
Attribute Of(std::int64_t number) { return Attribute(number); }
Attribute Of(Ints numbers) { return Attribute(std::move(numbers)); }

std::vector<Given> Compute(const OperatorUnderTest& op, const std::vector<Given>& inputs) {
  auto computed = op.Run(inputs);
  if (computed.has_value()) return *computed;
  ADD_FAILURE() << computed.error().message;
  return std::vector<Given>(op.outputs, Numbers<float>({0}, {}));
}

std::vector<float> Floats(const Given& given) { return {given->values<float>().begin(), given->values<float>().end()}; }

TEST(TransposeTest, ReversesUnlessToldAnotherOrder) {
  OperatorUnderTest op{.type = "Transpose"};
  const Given reversed = Compute(op, {Counting({2, 3})})[0];
  EXPECT_EQ(reversed->dims(), (Dims{3, 2}));
  EXPECT_THAT(Floats(reversed), ElementsAre(0, 3, 1, 4, 2, 5));
  op.attributes = {{"perm", Of(Ints{1, 0, 2})}};
  const Given ordered = Compute(op, {Counting({2, 3, 2})})[0];
  EXPECT_EQ(ordered->dims(), (Dims{3, 2, 2}));
  EXPECT_THAT(Floats(ordered), ElementsAre(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11));
  ExpectWrong(op, {Counting({2, 3})}, "perm [1,0,2] does not order 2 dimensions");
  op.attributes = {{"perm", Of(Ints{0, 0})}};
  ExpectWrong(op, {Counting({2, 3})}, "does not order");
}

TEST(TransposeTest, MovesEveryType) {
  const OperatorUnderTest op{.type = "Transpose"};
  EXPECT_THAT(Compute(op, {Numbers<std::int8_t>({2, 2}, {1, 2, 3, 4})})[0]->values<std::int8_t>(),
              ElementsAre(1, 3, 2, 4));
  EXPECT_THAT(Compute(op, {Numbers<std::int64_t>({2, 2}, {1, 2, 3, 4})})[0]->values<std::int64_t>(),
              ElementsAre(1, 3, 2, 4));
}

TEST(TransposeTest, OnesThatChangePlacesMoveNothing) {
  const OperatorUnderTest op{.type = "Transpose", .attributes = {{"perm", Of(Ints{1, 2, 0})}}};
  const Given moved = Compute(op, {Counting({1, 2, 3})})[0];
  EXPECT_EQ(moved->dims(), (Dims{2, 3, 1}));
  EXPECT_THAT(Floats(moved), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(ExpandTest, RepeatsWhatIsOne) {
  const OperatorUnderTest op{.type = "Expand", .is_constant = {false, true}};
  const Given expanded = Compute(op, {Counting({2, 1}), List({2, 1, 3})})[0];
  EXPECT_EQ(expanded->dims(), (Dims{2, 2, 3}));
  EXPECT_THAT(Floats(expanded), ElementsAre(0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1));
  EXPECT_EQ(Compute(op, {Counting({2}), List({1, 1})})[0]->dims(), (Dims{1, 2}));
  ExpectWrong(op, {Counting({2}), List({3})}, "shape [2] does not expand to [3]");
  ExpectWrong(op, {Counting({1}), List({-3})}, "negative dimension");
  ExpectWrong(op, {Counting({1}), List({INT64_MAX, 3})}, "elements");
}

TEST(TileTest, Repeats) {
  const OperatorUnderTest op{.type = "Tile", .is_constant = {false, true}};
  const Given tiled = Compute(op, {Counting({2, 2}), List({2, 2})})[0];
  EXPECT_EQ(tiled->dims(), (Dims{4, 4}));
  EXPECT_THAT(Floats(tiled), ElementsAre(0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3));
  EXPECT_EQ(Compute(op, {Counting({2, 2}), List({0, 1})})[0]->dims(), (Dims{0, 2}));
  ExpectWrong(op, {Counting({2, 2}), List({2})}, "a number of repeats for each dimension");
  ExpectWrong(op, {Counting({2}), List({INT64_MAX})}, "cannot repeat");
  ExpectWrong(op, {Counting({2}), List({-1})}, "cannot repeat");
}

TEST(ConcatTest, PutsSideBySide) {
  OperatorUnderTest op{.type = "Concat", .attributes = {{"axis", Of(-1)}}};
  const Given joined = Compute(op, {Counting({2, 1}), Counting({2, 2}), Counting({2, 0})})[0];
  EXPECT_EQ(joined->dims(), (Dims{2, 3}));
  EXPECT_THAT(Floats(joined), ElementsAre(0, 0, 1, 1, 2, 3));
  const Given one = Counting({2});
  op.attributes = {{"axis", Of(0)}};
  EXPECT_THAT(Floats(Compute(op, {one, one})[0]), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(Floats(Compute(op, {one})[0]), ElementsAre(0, 1));
  ExpectWrong(op, {one, nullptr, one}, "input 1 is missing");
  ExpectWrong(op, {one, Counting({1, 2})}, "cannot stand side by side");
  ExpectWrong(op, {Counting({1, 2}), Counting({1, 3})}, "shapes [1,2] and [1,3]");
  ExpectWrong(op, {one, List({1})}, "its inputs are not of one type");
  ExpectWrong(op, {Counting({})}, "axis 0");
  op.attributes = {};
  ExpectWrong(op, {one}, "has no axis");
}

TEST(SplitTest, SizesComeInEachOpsetsWay) {
  const Given six = Counting({6});
  OperatorUnderTest op{.type = "Split", .opset = 11, .outputs = 2};
  EXPECT_THAT(Floats(Compute(op, {six})[1]), ElementsAre(3, 4, 5));
  op.attributes = {{"split", Of(Ints{2, 4})}};
  EXPECT_THAT(Floats(Compute(op, {six})[1]), ElementsAre(2, 3, 4, 5));
  op = {.type = "Split", .opset = 13, .outputs = 2, .is_constant = {false, true}};
  EXPECT_THAT(Floats(Compute(op, {six, List({6, 0})})[0]), ElementsAre(0, 1, 2, 3, 4, 5));
  op = {.type = "Split", .opset = 18, .attributes = {{"num_outputs", Of(4)}}, .outputs = 4};
  EXPECT_THAT(Floats(Compute(op, {Counting({7})})[3]), ElementsAre(6));
}

TEST(SplitTest, SplitsAlongAnAxis) {
  const OperatorUnderTest op{.type = "Split", .attributes = {{"axis", Of(-1)}}, .outputs = 2};
  const auto parts = Compute(op, {Counting({2, 4})});
  EXPECT_EQ(parts[0]->dims(), (Dims{2, 2}));
  EXPECT_THAT(Floats(parts[0]), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(Floats(parts[1]), ElementsAre(2, 3, 6, 7));
}

TEST(SplitTest, PartsMustAddUp) {
  OperatorUnderTest op{.type = "Split", .outputs = 2, .is_constant = {false, true}};
  const Given six = Counting({6});
  ExpectWrong(op, {Counting({5})}, "into 2 equal parts");
  ExpectWrong(op, {six, List({3, 2})}, "parts of [3,2]");
  ExpectWrong(op, {six, List({6})}, "parts of [6]");
  ExpectWrong(op, {six, List({7, -1})}, "parts of [7,-1]");
  ExpectWrong(op, {six, List({INT64_MAX, INT64_MAX})}, "parts of");
  op.attributes = {{"num_outputs", Of(3)}};
  ExpectWrong(op, {six}, "num_outputs is not how many it has");
  op = {.type = "Split", .attributes = {{"num_outputs", Of(4)}}, .outputs = 4};
  ExpectWrong(op, {Counting({5})}, "parts of [2,2,2,-1]");
}

TEST(SliceTest, CountsAsOnnxDoes) {
  const OperatorUnderTest op{.type = "Slice", .is_constant = {false, true, true, true, true}};
  const Given ten = Counting({10});
  const auto slice = [&](std::int64_t start, std::int64_t end, std::int64_t step) {
    return Floats(Compute(op, {ten, List({start}), List({end}), List({0}), List({step})})[0]);
  };
  EXPECT_THAT(slice(2, 5, 1), ElementsAre(2, 3, 4));
  EXPECT_THAT(slice(-3, INT64_MAX, 1), ElementsAre(7, 8, 9));
  EXPECT_THAT(slice(1, 100, 4), ElementsAre(1, 5, 9));
  EXPECT_THAT(slice(-1, -4, -1), ElementsAre(9, 8, 7));
  EXPECT_THAT(slice(INT64_MAX, INT64_MIN, -5), ElementsAre(9, 4));
  EXPECT_THAT(slice(3, INT64_MIN, INT64_MIN), ElementsAre(3));
  EXPECT_THAT(slice(3, 100, INT64_MAX), ElementsAre(3));
  EXPECT_THAT(slice(5, 5, 1), ElementsAre());
  EXPECT_THAT(slice(5, 2, 1), ElementsAre());
  EXPECT_THAT(slice(2, 5, -1), ElementsAre());
  EXPECT_THAT(slice(INT64_MIN, 2, 1), ElementsAre(0, 1));
  EXPECT_EQ(slice(0, 10, 1).size(), 10u);
  const Given nothing = Compute(op, {Counting({0}), List({-1}), List({INT64_MIN}), List({0}), List({-1})})[0];
  EXPECT_EQ(nothing->dims(), (Dims{0}));
  ExpectWrong(op, {ten, List({0}), List({1}), List({0}), List({0})}, "has a step of 0");
}

TEST(SliceTest, TakesABox) {
  OperatorUnderTest op{.type = "Slice", .is_constant = {false, true, true, true}};
  const Given box = Compute(op, {Counting({3, 4}), List({1, 1}), List({3, 3}), List({-1, 0})})[0];
  EXPECT_EQ(box->dims(), (Dims{2, 2}));
  EXPECT_THAT(Floats(box), ElementsAre(5, 6, 9, 10));
  op = {.type = "Slice", .opset = 9, .attributes = {{"starts", Of(Ints{1})}, {"ends", Of(Ints{2})}}};
  EXPECT_THAT(Floats(Compute(op, {Counting({3, 2})})[0]), ElementsAre(2, 3));
}

TEST(SliceTest, NumbersMustFitEachOther) {
  const OperatorUnderTest op{.type = "Slice", .is_constant = {false, true, true, true, true}};
  const Given two = Counting({2, 2});
  ExpectWrong(op, {two, List({0}), List({1, 1})}, "do not fit");
  ExpectWrong(op, {two, List({0, 0, 0}), List({1, 1, 1})}, "do not fit");
  ExpectWrong(op, {two, List({0}), List({1}), List({0, 1})}, "do not fit");
  ExpectWrong(op, {two, List({0}), List({1}), List({0}), List({1, 1})}, "do not fit");
  ExpectWrong(op, {two, List({0}), List({1}), List({2})}, "axis 2");
  ExpectWrong(op, {two, List({0, 0}), List({1, 1}), List({0, -2})}, "is named twice");
  ExpectWrong(op, {two, List({0})}, "input 2 is missing");
  const OperatorUnderTest computed{.type = "Slice"};
  ExpectError(computed, {two, List({0}), List({1})}, Code::kFailedPrecondition, "is only known when the model runs");
}

TEST(PadTest, PutsANumberAround) {
  OperatorUnderTest op{.type = "Pad", .is_constant = {false, true, true, true}};
  const Given padded = Compute(op, {Counting({1, 2}), List({0, 2, 1, 0}), Numbers<float>({}, {7})})[0];
  EXPECT_EQ(padded->dims(), (Dims{2, 4}));
  EXPECT_THAT(Floats(padded), ElementsAre(7, 7, 0, 1, 7, 7, 7, 7));
  EXPECT_THAT(Floats(Compute(op, {Counting({1, 2}), List({1, 0}), nullptr, List({-1})})[0]), ElementsAre(0, 0, 1));
  op = {.type = "Pad", .opset = 9, .attributes = {{"pads", Of(Ints{0, 1})}, {"value", Attribute(5.0f)}}};
  EXPECT_THAT(Floats(Compute(op, {Counting({2})})[0]), ElementsAre(0, 1, 5));
}

TEST(PadTest, RepeatsItsOwnNumbersInOtherModes) {
  const auto padded = [](const char* mode, Dims dims, const Ints& pads) {
    const OperatorUnderTest op{
        .type = "Pad", .attributes = {{"mode", Attribute(std::string(mode))}}, .is_constant = {false, true}};
    return Floats(Compute(op, {Counting(std::move(dims)), List(pads)})[0]);
  };
  EXPECT_THAT(padded("edge", {3}, {2, 1}), ElementsAre(0, 0, 0, 1, 2, 2));
  EXPECT_THAT(padded("reflect", {3}, {3, 2}), ElementsAre(1, 2, 1, 0, 1, 2, 1, 0));
  EXPECT_THAT(padded("wrap", {3}, {2, 1}), ElementsAre(1, 2, 0, 1, 2, 0));
  EXPECT_THAT(padded("edge", {2, 2}, {1, 0, 0, 1}), ElementsAre(0, 1, 1, 0, 1, 1, 2, 3, 3));
  EXPECT_THAT(padded("edge", {4}, {-1, 1}), ElementsAre(1, 2, 3, 3));
  EXPECT_THAT(padded("reflect", {1}, {2, 0}), ElementsAre(0, 0, 0));
}

TEST(PadTest, MovesEveryType) {
  OperatorUnderTest op{.type = "Pad", .is_constant = {false, true}};
  const Given bytes = Numbers<std::uint8_t>({2}, {7, 8});
  EXPECT_THAT(Compute(op, {bytes, List({1, 0})})[0]->values<std::uint8_t>(), ElementsAre(0, 7, 8));
  const Given longs = Numbers<std::int64_t>({2}, {7, 8});
  EXPECT_THAT(Compute(op, {longs, List({1, 0})})[0]->values<std::int64_t>(), ElementsAre(0, 7, 8));
  op.attributes = {{"mode", Attribute(std::string("edge"))}};
  EXPECT_THAT(Compute(op, {bytes, List({1, 0})})[0]->values<std::uint8_t>(), ElementsAre(7, 7, 8));
  EXPECT_THAT(Compute(op, {longs, List({1, 0})})[0]->values<std::int64_t>(), ElementsAre(7, 7, 8));
}

TEST(PadTest, PadsThatDoNotFitAreRefused) {
  OperatorUnderTest op{.type = "Pad", .is_constant = {false, true, true, true}};
  const Given two = Counting({2});
  ExpectError(op, {two, List({-1, 0})}, Code::kFailedPrecondition, "pads below 0");
  ExpectWrong(op, {two, List({1})}, "needs two pads for each dimension");
  ExpectWrong(op, {two, List({INT64_MAX, INT64_MAX})}, "elements");
  ExpectWrong(op, {two, List({1, 1}), List({1})}, "its constant_value must be");
  ExpectWrong(op, {two, List({1, 1}), nullptr, List({1})}, "axis 1");
  ExpectWrong(op, {Counting({2, 2}), List({1, 1, 1, 1}), nullptr, List({1, -1})}, "is named twice");
  op.attributes = {{"mode", Attribute(std::string("edge"))}};
  ExpectWrong(op, {Counting({0}), List({1, 1})}, "that could be repeated");
  ExpectWrong(op, {two, List({-2, -1})}, "negative dimension");
  op.attributes = {{"mode", Attribute(std::string("noise"))}};
  ExpectError(op, {two, List({1, 1})}, Code::kFailedPrecondition, "mode \"noise\"");
}

TEST(GatherTest, TakesRowsByNumber) {
  OperatorUnderTest op{.type = "Gather", .attributes = {{"axis", Of(1)}}, .is_constant = {false, true}};
  const Given taken = Compute(op, {Counting({2, 3}), Numbers<std::int64_t>({1, 2}, {2, -3})})[0];
  EXPECT_EQ(taken->dims(), (Dims{2, 1, 2}));
  EXPECT_THAT(Floats(taken), ElementsAre(2, 0, 5, 3));
  const Given one = Compute(op, {Counting({2, 3}), Numbers<std::int32_t>({}, {-1})})[0];
  EXPECT_EQ(one->dims(), (Dims{2}));
  EXPECT_THAT(Floats(one), ElementsAre(2, 5));
  ExpectWrong(op, {Counting({2, 3}), List({3})}, "index 3 of 3 rows");
  ExpectWrong(op, {Counting({2, 3}), List({-4})}, "index -4 of 3 rows");
  ExpectWrong(op, {Counting({2}), List({0})}, "axis 1");
  ExpectError(op, {Counting({2, 3}), Counting({1})}, Code::kFailedPrecondition, "is not supported");
}

TEST(GatherTest, ComputedNumbersOutOfRangeReadTheNearestRow) {
  const OperatorUnderTest op{.type = "Gather"};
  const auto rows = Counting({3, 1});
  EXPECT_THAT(Floats(Compute(op, {rows, List({5, -9, INT64_MAX, INT64_MIN, -1, 1})})[0]),
              ElementsAre(2, 0, 2, 0, 2, 1));
  EXPECT_THAT(Floats(Compute(op, {rows, Numbers<std::int32_t>({2}, {INT32_MAX, INT32_MIN})})[0]), ElementsAre(2, 0));
  ExpectWrong(op, {Counting({0, 1}), List({0})}, "there are no rows to take");
  EXPECT_TRUE(Floats(Compute(op, {Counting({0, 1}), List({})})[0]).empty());
}

// A file that says the same in both places, but not the same thing, must not be read in two ways.
TEST(LayoutTest, AttributesThatBecameInputsAreReadByTheirOpsetsAlone) {
  const Given x = Counting({1, 4}), one = List({1});
  struct Case {
    const char* type;
    int since;
    Attributes attributes;
    std::vector<Given> inputs;
  };
  const std::vector<Case> cases = {{"Slice", 10, {{"starts", Of(Ints{1})}, {"ends", Of(Ints{2})}}, {x, one, List({2})}},
                                   {"Reshape", 5, {{"shape", Of(Ints{4})}}, {x, List({4})}},
                                   {"Squeeze", 13, {{"axes", Of(Ints{0})}}, {x, List({0})}},
                                   {"Unsqueeze", 13, {{"axes", Of(Ints{0})}}, {x, List({0})}},
                                   {"Split", 13, {{"split", Of(Ints{1})}}, {x, one}},
                                   {"Pad", 11, {{"pads", Of(Ints{0, 1, 0, 1})}}, {x, List({0, 1, 0, 1})}},
                                   {"ReduceSum", 13, {{"axes", Of(Ints{1})}}, {x, one}}};
  for (const Case& of : cases) {
    OperatorUnderTest op{.type = of.type, .is_constant = {false, true, true}};
    for (const bool is_new : {false, true}) {
      op.opset = of.since - (is_new ? 0 : 1);
      op.attributes = is_new ? Attributes() : of.attributes;
      EXPECT_TRUE(op.Run(is_new ? of.inputs : std::vector<Given>{x}).has_value()) << of.type << " " << op.opset;
      op.attributes = of.attributes;
      if (is_new)
        ExpectError(op, of.inputs, Code::kFailedPrecondition, "is not supported");
      else
        ExpectWrong(op, of.inputs, "inputs, at most 1 are known");
    }
  }
  ExpectError({.type = "Pad", .attributes = {{"value", Attribute(2.0f)}}, .is_constant = {false, true}},
              {x, List({0, 1, 0, 1})}, Code::kFailedPrecondition, "attribute \"value\" is not supported");
}

TEST(LayoutTest, ListsOfNumbersHaveOneDimension) {
  OperatorUnderTest op{.type = "Slice", .is_constant = {false, true, true}};
  const Given scalar = Numbers<std::int64_t>({}, {1}), matrix = Numbers<std::int64_t>({1, 1}, {1});
  for (const Given& starts : {scalar, matrix})
    ExpectWrong(op, {Counting({4}), starts, List({2})}, "it must be a list of numbers");
}

}  // namespace
}  // namespace punctual::native::test
