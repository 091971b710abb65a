#include <gtest/gtest.h>

#include <limits>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/graph_for_test.h"
#include "backend/native/passes/passes.h"

namespace punctual::native {
namespace {

using test::Compute;
using test::GraphForTest;
using Ints = std::vector<std::int64_t>;

void UseAndFuse(Graph& graph) {
  FuseQuantized(graph);
  UseLayers(graph);
  PushTransposes(graph);
  FuseLayers(graph);
  DropUnused(graph);
}

// The pass changes no bit. Gives the number of positions of each convolution's output after it.
std::vector<std::int64_t> ExpectSameAndCount(GraphForTest& g) {
  UseAndFuse(g.graph);
  const auto before = Compute(g.graph);
  KeepNeeded(g.graph);
  DropUnused(g.graph);
  const auto after = Compute(g.graph);
  EXPECT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) EXPECT_EQ(after[i], before[i]) << i;
  std::vector<std::int64_t> counts;
  for (const Node& node : g.graph.nodes)
    if (node.op->type == "Convolution" || node.op->type == "QuantizedConv")
      counts.push_back(g.graph.values[node.outputs[0]].dims[1]);
  return counts;
}

ValueId CausalConv(GraphForTest& g, ValueId x, std::int64_t in, std::int64_t out, std::int64_t taps,
                   std::int64_t dilation) {
  return g.Add("Conv", {x, g.Weights({out, in, taps}), g.Weights({out})},
               {{"pads", Ints{(taps - 1) * dilation, 0}}, {"dilations", Ints{dilation}}});
}

TEST(KeepNeededTest, ACausalTcnThatEndsInTheLastStepNeedsFewPositions) {
  for (const bool slices : {false, true}) {
    GraphForTest g;
    ValueId x = g.Add("Transpose", {g.Input({2, 100, 5})}, {{"perm", Ints{0, 2, 1}}});
    x = CausalConv(g, x, 5, 16, 8, 1);
    for (const std::int64_t dilation : {2, 4}) x = g.Add("Relu", {CausalConv(g, x, 16, 16, 8, dilation)});
    if (slices)
      g.Output(g.Add("Slice", {x, g.Ints({-1}), g.Ints({1000}), g.Ints({2})}));
    else
      g.Output(g.Add("Gather", {x, g.Scalar(-1)}, {{"axis", std::int64_t{2}}}));
    EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{22, 8, 1}));
  }
}

TEST(KeepNeededTest, ResidualsNeedTheSamePositions) {
  GraphForTest g;
  ValueId x = g.Add("Transpose", {g.Input({1, 40, 8})}, {{"perm", Ints{0, 2, 1}}});
  for (const std::int64_t dilation : {1, 2, 4}) {
    const ValueId y = g.Add("Relu", {CausalConv(g, x, 8, 8, 3, dilation)});
    x = g.Add("Relu", {g.Add("Add", {y, x})});
  }
  // A part that is not fused: two sums of computed values.
  x = g.Add("Add", {g.Add("Sigmoid", {x}), g.Add("Mul", {x, g.Weights({1, 8, 40})})});
  g.Output(g.Add("Gather", {x, g.Ints({39, 35})}, {{"axis", std::int64_t{2}}}));
  const auto counts = ExpectSameAndCount(g);
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts.back(), 2);
  EXPECT_LT(counts.front(), 20);
}

TEST(KeepNeededTest, PoolsAndConcatsAndDenseLayersAreCutToo) {
  GraphForTest g;
  const ValueId x = g.Add("Transpose", {g.Input({1, 50, 8})}, {{"perm", Ints{0, 2, 1}}});
  const ValueId a = CausalConv(g, x, 8, 16, 3, 1);
  const ValueId b =
      CausalConv(g, g.Add("MaxPool", {x}, {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}}), 8, 16, 1, 1);
  const ValueId c =
      g.Add("AveragePool", {CausalConv(g, x, 8, 16, 1, 1)}, {{"kernel_shape", Ints{3}}, {"pads", Ints{2, 0}}});
  ValueId y = g.Add("Concat", {a, b, c}, {{"axis", std::int64_t{1}}});
  y = g.Add("Transpose", {y}, {{"perm", Ints{0, 2, 1}}});
  y = g.Add("Relu", {g.Add("MatMul", {y, g.Weights({48, 24})})});
  g.Output(g.Add("Gather", {y, g.Scalar(49)}, {{"axis", std::int64_t{1}}}));
  EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{1, 1, 3}));
}

// As PyTorch writes causal convolutions: padded before, or padded on both sides and cut after.
TEST(KeepNeededTest, PaddingThatStandsAloneAndCutsAreSeenThrough) {
  GraphForTest g;
  ValueId x = g.Add("Transpose", {g.Input({1, 30, 8})}, {{"perm", Ints{0, 2, 1}}});
  x = g.Add("Pad", {x, g.Ints({0, 0, 2, 0, 0, 0})});
  x = g.Add("Relu", {g.Add("Conv", {x, g.Weights({8, 8, 3})})});
  x = g.Add("Conv", {x, g.Weights({8, 8, 3})}, {{"pads", Ints{4, 4}}, {"dilations", Ints{2}}});
  x = g.Add("Slice", {x, g.Ints({0}), g.Ints({-4}), g.Ints({2})});
  g.Output(g.Add("Gather", {x, g.Scalar(-1)}, {{"axis", std::int64_t{2}}}));
  EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(g.Count("Pad"), 0u);
}

// As CausalConv, of codes.
ValueId CodedConv(GraphForTest& g, ValueId x, std::int64_t in, std::int64_t out, std::int64_t taps,
                  std::int64_t dilation) {
  return g.Add("Conv", {g.Coded(x), g.CodedWeights({out, in, taps}), g.Weights({out})},
               {{"pads", Ints{(taps - 1) * dilation, 0}}, {"dilations", Ints{dilation}}});
}

TEST(KeepNeededTest, ConvolutionsOfCodesAreCutToo) {
  GraphForTest g;
  ValueId x = g.Add("Transpose", {g.Input({2, 100, 5})}, {{"perm", Ints{0, 2, 1}}});
  x = CodedConv(g, x, 5, 16, 8, 1);
  for (const std::int64_t dilation : {2, 4}) x = g.Add("Relu", {CodedConv(g, x, 16, 16, 8, dilation)});
  g.Output(g.Add("Gather", {x, g.Scalar(-1)}, {{"axis", std::int64_t{2}}}));
  EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{22, 8, 1}));
  EXPECT_EQ(g.Count("QuantizedConv"), 3u);
  EXPECT_EQ(g.Count("Transpose"), 0u);
}

TEST(KeepNeededTest, ResidualsAndDenseLayersOfCodesAreCutToo) {
  GraphForTest g;
  ValueId x = g.Add("Transpose", {g.Input({1, 40, 8})}, {{"perm", Ints{0, 2, 1}}});
  for (const std::int64_t dilation : {1, 2, 4}) {
    const ValueId y = g.Add("Relu", {CodedConv(g, x, 8, 8, 3, dilation)});
    x = g.Coded(g.Add("Add", {y, g.Coded(x)}));
  }
  x = g.Add("Transpose", {x}, {{"perm", Ints{0, 2, 1}}});
  x = g.Add("MatMul", {g.Coded(x), g.CodedWeights({8, 24})});
  g.Output(g.Add("Gather", {x, g.Ints({39, 35})}, {{"axis", std::int64_t{1}}}));
  const auto counts = ExpectSameAndCount(g);
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts.back(), 2);
  EXPECT_LT(counts.front(), 20);
  EXPECT_EQ(g.Count("QuantizedGemm"), 1u);
  EXPECT_EQ(g.graph.values[g.graph.outputs[0]].dims, (Dims{1, 2, 24}));
}

// The first position reads padding, which is the zero point.
TEST(KeepNeededTest, TwoDimensionalConvolutionsOfCodesAreCutAlongTime) {
  GraphForTest g;
  ValueId x = g.Add("Unsqueeze", {g.Input({1, 30, 8}), g.Ints({1})});
  const auto conv = [&g](ValueId of, const Dims& weights, const Ints& strides, const Ints& pads) {
    return g.Add("Conv", {g.Coded(of), g.CodedWeights(weights)}, {{"strides", strides}, {"pads", pads}});
  };
  x = g.Add("Relu", {conv(x, {4, 1, 1, 2}, {1, 2}, {0, 0, 0, 0})});
  x = conv(x, {4, 4, 4, 1}, {1, 1}, {3, 0, 0, 0});
  x = conv(x, {4, 4, 1, 4}, {1, 1}, {0, 0, 0, 0});
  x = g.Add("Squeeze", {x, g.Ints({3})});
  g.Output(g.Add("Gather", {x, g.Ints({0, 29})}, {{"axis", std::int64_t{2}}}));
  EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{5, 2, 2}));
}

TEST(KeepNeededTest, WhatIsReadWholeStaysWhole) {
  GraphForTest g;
  ValueId x = g.Add("Transpose", {g.Input({1, 20, 8})}, {{"perm", Ints{0, 2, 1}}});
  x = CausalConv(g, x, 8, 8, 3, 1);
  const ValueId y = CausalConv(g, x, 8, 8, 3, 2);
  g.Output(g.Add("Gather", {y, g.Scalar(19)}, {{"axis", std::int64_t{2}}}));
  g.Output(x);
  EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{20, 1}));
}

TEST(KeepNeededTest, TwoDimensionalConvolutionsAreCutAlongTime) {
  GraphForTest g;
  ValueId x = g.Add("Unsqueeze", {g.Input({1, 30, 8}), g.Ints({1})});
  x = g.Add("Relu", {g.Add("Conv", {x, g.Weights({4, 1, 1, 2})}, {{"strides", Ints{1, 2}}})});
  x = g.Add("Conv", {x, g.Weights({4, 4, 4, 1})}, {{"pads", Ints{3, 0, 0, 0}}});
  x = g.Add("Conv", {x, g.Weights({4, 4, 1, 4})});
  x = g.Add("Squeeze", {x, g.Ints({3})});
  g.Output(g.Add("Gather", {x, g.Scalar(29)}, {{"axis", std::int64_t{2}}}));
  EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{4, 1, 1}));
}

TEST(KeepNeededTest, AStepMayBeLargerThanAnyValue) {
  for (const std::int64_t step : {std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 62}) {
    GraphForTest g;
    ValueId x = CausalConv(g, g.Input({1, 4, 20}), 4, 8, 3, 1);
    x = g.Add("Slice",
              {x, g.Ints({5}), g.Ints({std::numeric_limits<std::int64_t>::max()}), g.Ints({2}), g.Ints({step})});
    g.Output(x);
    EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{1}));
  }
}

TEST(KeepNeededTest, PositionsAreNotCountedOneByOneWhereThereAreTooMany) {
  for (const std::int64_t length : {60'000, 70'000}) {
    GraphForTest g;
    ValueId x = CausalConv(g, g.Input({1, 1, length}), 1, 1, 1, 1);
    g.Output(g.Add("Slice", {x, g.Ints({1}), g.Ints({length}), g.Ints({2})}));
    EXPECT_EQ(ExpectSameAndCount(g), (std::vector<std::int64_t>{length == 60'000 ? length - 1 : length}));
  }
}

}  // namespace
}  // namespace punctual::native
