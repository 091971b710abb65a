#include <gtest/gtest.h>

#include <cmath>

#include "backend/native/operators/dense_step.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/graph_for_test.h"
#include "backend/native/passes/passes.h"

namespace punctual::native {
namespace {

using test::Compute;
using test::GraphForTest;
using Ints = std::vector<std::int64_t>;

void ExpectSame(const std::vector<float>& computed, const std::vector<float>& expected) {
  ASSERT_EQ(computed.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(computed[i], expected[i]) << i;
}

void ExpectNear(const std::vector<float>& computed, const std::vector<float>& expected) {
  ASSERT_EQ(computed.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(computed[i], expected[i], 1e-4f) << i;
}

void RunAll(Graph& graph) {
  UseLayers(graph);
  PushTransposes(graph);
  FuseLayers(graph);
  DropUnused(graph);
}

// The models that this project trains: time first, a TCN that computes with channels first.
ValueId CausalConv(GraphForTest& g, ValueId x, std::int64_t in, std::int64_t out, std::int64_t taps,
                   std::int64_t dilation) {
  return g.Add("Conv", {x, g.Weights({out, in, taps}), g.Weights({out})},
               {{"pads", Ints{(taps - 1) * dilation, 0}}, {"dilations", Ints{dilation}}, {"kernel_shape", Ints{taps}}});
}

TEST(LayersTest, ATcnNeedsNoTransposeAndAStepALayer) {
  GraphForTest g;
  ValueId x = g.Add("Transpose", {g.Input({2, 30, 6})}, {{"perm", Ints{0, 2, 1}}});
  x = CausalConv(g, x, 6, 16, 1, 1);
  for (const std::int64_t dilation : {1, 2, 4})
    x = g.Add("Add", {x, g.Add("Relu", {CausalConv(g, x, 16, 16, 3, dilation)})});
  x = g.Add("Gather", {x, g.Scalar(29)}, {{"axis", std::int64_t{2}}});
  g.Output(g.Add("Gemm", {x, g.Weights({16, 3}), g.Weights({3})}));
  const auto before = Compute(g.graph);
  RunAll(g.graph);
  EXPECT_EQ(g.Count("Transpose"), 0u);
  EXPECT_EQ(g.Count("Convolution"), 4u);
  EXPECT_EQ(g.graph.nodes.size(), 6u);  // and Gather, Dense
  ExpectNear(Compute(g.graph), before);
}

TEST(LayersTest, ADeepLobHasNoTransposeThatMoves) {
  GraphForTest g;
  const auto leaky = [&](ValueId x) { return g.Add("LeakyRelu", {x}, {{"alpha", 0.01f}}); };
  ValueId x = g.Add("Unsqueeze", {g.Input({1, 20, 8}), g.Ints({1})});
  std::int64_t channels = 1;
  for (const std::int64_t width : {2, 4}) {
    x = leaky(g.Add("Conv", {x, g.Weights({16, channels, 1, width}), g.Weights({16})}, {{"strides", Ints{1, width}}}));
    x = leaky(g.Add("Conv", {x, g.Weights({16, 16, 4, 1}), g.Weights({16})}, {{"pads", Ints{3, 0, 0, 0}}}));
    channels = 16;
  }
  x = g.Add("Squeeze", {x, g.Ints({3})});
  const ValueId pooled = g.Add("MaxPool", {x}, {{"kernel_shape", Ints{3}}, {"pads", Ints{1, 1}}});
  x = g.Add("Concat", {leaky(CausalConv(g, x, 16, 32, 3, 1)), leaky(CausalConv(g, pooled, 16, 32, 1, 1))},
            {{"axis", std::int64_t{1}}});
  const ValueId newest = g.Add("Gather", {x, g.Scalar(19)}, {{"axis", std::int64_t{2}}});
  g.Output(newest);
  g.Output(g.Add("Transpose", {x}, {{"perm", Ints{2, 0, 1}}}));  // as an LSTM reads it
  const auto before = Compute(g.graph);
  RunAll(g.graph);
  EXPECT_EQ(g.Count("Transpose"), 0u);
  EXPECT_EQ(g.Count("LeakyRelu"), 0u);
  ExpectSame(Compute(g.graph), before);
}

TEST(LayersTest, ATransposeStaysWhereItIsNeeded) {
  GraphForTest g;
  const ValueId x = g.Input({2, 6, 9});
  g.Output(g.Add("Sigmoid", {CausalConv(g, x, 6, 8, 3, 1)}));
  const auto before = Compute(g.graph);
  RunAll(g.graph);
  EXPECT_EQ(g.Count("Transpose"), 2u);
  ExpectNear(Compute(g.graph), before);
}

TEST(LayersTest, TransposesGoThroughWhatComputesNumberByNumber) {
  GraphForTest g;
  const ValueId x = g.Input({2, 6, 9});
  ValueId y = CausalConv(g, x, 6, 8, 3, 1);
  y = g.Add("Mul", {y, g.Weights({8, 1})});
  y = g.Add("Sub", {g.Weights({1}), y});
  y = g.Add("Slice", {y, g.Ints({2}), g.Ints({9}), g.Ints({-1})});
  const ValueId z = g.Add("Add", {y, g.Weights({2, 8, 7})});
  g.Output(CausalConv(g, g.Add("Concat", {z, y}, {{"axis", std::int64_t{-2}}}), 16, 4, 2, 1));
  const auto before = Compute(g.graph);
  UseLayers(g.graph);
  PushTransposes(g.graph);
  DropUnused(g.graph);
  EXPECT_EQ(g.Count("Transpose"), 2u);  // of the input and the output
  ExpectSame(Compute(g.graph), before);
}

TEST(LayersTest, NormalizationBecomesPartOfTheWeights) {
  for (const bool is_dense : {false, true}) {
    GraphForTest g;
    ValueId x = g.Input(is_dense ? Dims{3, 6} : Dims{2, 6, 9});
    x = is_dense ? g.Add("Gemm", {x, g.Weights({8, 6})}, {{"transB", std::int64_t{1}}}) : CausalConv(g, x, 6, 8, 3, 1);
    const ValueId variance = g.Weights({8});
    auto positive = std::make_shared<Constant>(ElementType::kFloat32, Dims{8});
    for (float& value : positive->mutable_values<float>()) value = 0.7f;
    g.graph.values[variance].constant = positive;
    x = g.Add("BatchNormalization", {x, g.Weights({8}), g.Weights({8}), g.Weights({8}), variance});
    g.Output(g.Add("Relu", {x}));
    const auto before = Compute(g.graph);
    RunAll(g.graph);
    EXPECT_EQ(g.Count("BatchNormalization") + g.Count("Mul") + g.Count("Add") + g.Count("Relu"), 0u);
    ExpectNear(Compute(g.graph), before);
  }
}

TEST(LayersTest, ResidualsAndActivationsKeepTheirOrder) {
  for (const bool relu_first : {false, true}) {
    GraphForTest g;
    const ValueId x = g.Input({1, 9, 8});
    ValueId y = g.Add("MatMul", {x, g.Weights({8, 8})});
    y = g.Add("Add", {g.Weights({8}), y});
    if (relu_first) y = g.Add("Relu", {y});
    y = g.Add("Add", {x, y});
    g.Output(g.Add("Tanh", {y}));
    const auto before = Compute(g.graph);
    RunAll(g.graph);
    ASSERT_EQ(g.graph.nodes.size(), 1u);
    ExpectNear(Compute(g.graph), before);
  }
}

TEST(LayersTest, WhatOthersReadStays) {
  GraphForTest g;
  const ValueId y = g.Add("MatMul", {g.Input({4, 8}), g.Weights({8, 8})});
  g.Output(y);
  g.Output(g.Add("Relu", {y}));
  const auto before = Compute(g.graph);
  RunAll(g.graph);
  EXPECT_EQ(g.graph.nodes.size(), 2u);
  ExpectSame(Compute(g.graph), before);
}

TEST(LayersTest, ALayerWithoutOutputsIsLeftAlone) {
  GraphForTest g;
  const ValueId y = g.Add("MatMul", {g.Input({4, 8}), g.Weights({8, 0})});
  g.Output(g.Add("Mul", {y, g.Weights({1})}));
  RunAll(g.graph);
  EXPECT_TRUE(Compute(g.graph).empty());
}

TEST(LayersTest, ManyFactorsMakeOneCopyOfTheWeights) {
  GraphForTest g;
  ValueId y = g.Add("MatMul", {g.Input({4, 8}), g.Weights({8, 6})});
  for (int i = 0; i < 100; ++i) {
    y = g.Add("Mul", {y, g.Weights({6})});
    y = g.Add("Add", {y, g.Weights({6})});
    y = g.Add("Div", {y, g.Weights({6})});
  }
  g.Output(y);
  const auto before = Compute(g.graph);
  const std::size_t values = g.graph.values.size();
  RunAll(g.graph);
  EXPECT_EQ(g.graph.nodes.size(), 1u);
  EXPECT_EQ(g.graph.values.size(), values + 2);  // weights and bias
  const auto after = Compute(g.graph);
  for (std::size_t i = 0; i < after.size(); ++i) ASSERT_NEAR(after[i], before[i], 1e-4f * std::abs(before[i])) << i;
}

TEST(LayersTest, AFactorThatMakesWeightsInfiniteStaysAFactor) {
  GraphForTest g;
  const ValueId y = g.Add("MatMul", {g.Input({4, 8}), g.Weights({8, 6})});
  g.Output(g.Add("Div", {y, g.Weights({6}, 0)}));
  RunAll(g.graph);
  EXPECT_EQ(g.Count("Div"), 1u);
}

}  // namespace
}  // namespace punctual::native
