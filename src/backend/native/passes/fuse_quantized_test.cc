#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "backend/native/passes/passes.h"
#include "backend/native/passes/quantized_graph_for_test.h"

namespace punctual::native {
namespace {

using test::Compute;
using test::Inputs;
using test::QuantizedGraph;

struct MlpCase {
  bool is_signed, is_gemm, channels_first, has_transpose, has_float_bias;
  int range;
};

// x -> codes -> layer -> codes -> layer -> floats.
QuantizedGraph Mlp(const MlpCase& of, unsigned seed, std::int64_t rows) {
  QuantizedGraph made(seed);
  const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {rows, 37}, nullptr});
  made.graph.inputs = {x};
  const auto layer = [&](ValueId from, std::int64_t depth, std::int64_t channels, float scale) {
    const bool first = of.channels_first != of.has_transpose;
    ValueId weights = first ? made.Weights(channels, depth, 0, of.range) : made.Weights(depth, channels, 1, of.range);
    if (of.has_transpose)
      weights = made.Apply("Transpose", {weights}, of.channels_first ? Dims{channels, depth} : Dims{depth, channels});
    const ValueId bias = of.has_float_bias ? made.FloatBias(channels) : made.Bias(channels, scale);
    if (of.is_gemm)
      return made.Apply("Gemm", {from, weights, bias}, {rows, channels}, {{"transB", std::int64_t{of.channels_first}}});
    return made.Apply("Add", {made.Apply("MatMul", {from, weights}, {rows, channels}), bias}, {rows, channels});
  };
  const ValueId x_codes = made.Quantize(x, 0.02f, 121, of.is_signed);
  const ValueId hidden = made.Apply("Relu", {layer(made.Dequantize(x_codes), 37, 50, 0.02f)}, {rows, 50});
  const ValueId codes = made.Quantize(hidden, 0.013f, 17, of.is_signed);
  const ValueId y = layer(made.Dequantize(codes), 50, 19, 0.013f);
  made.graph.outputs = {y};
  return made;
}

TEST(FuseQuantizedTest, DenseLayersComputeWithCodesWhatTheGraphSays) {
  unsigned seed = 0;
  for (const MlpCase of : {MlpCase{false, true, true, false, false, 64}, MlpCase{true, true, false, false, false, 127},
                           MlpCase{true, false, false, false, true, 64}, MlpCase{false, false, false, true, false, 127},
                           MlpCase{true, true, true, true, true, 64}})
    for (const std::int64_t rows : {1, 6}) {
      QuantizedGraph made = Mlp(of, ++seed, rows);
      const auto x = Inputs(static_cast<std::size_t>(rows) * 37);
      const auto plain = Compute(made.graph, x);
      FuseQuantized(made.graph);
      EXPECT_EQ(made.Types(), (std::multiset<std::string>{"QuantizeLinear", "QuantizedGemm", "QuantizedGemm"}));
      const auto fused = Compute(made.graph, x);
      ASSERT_EQ(fused.size(), plain.size());
      for (std::size_t i = 0; i < plain.size(); i += 4) {
        float expected = 0, computed = 0;
        std::memcpy(&expected, &plain[i], 4);
        std::memcpy(&computed, &fused[i], 4);
        // One code of the 50 between may differ by one, times a weight of at most 127 * 0.004.
        EXPECT_NEAR(computed, expected, 0.013 * 127 * 0.004 + 1e-5) << "case " << seed << ", output " << i / 4;
      }
    }
}

// One layer with codes on both sides, as `build` makes it from numbers [8, 24]; how far its codes are from the graph's.
template <class Build>
void ExpectCodesOfTheGraph(const Build& build, const std::multiset<std::string>& types) {
  std::size_t differing = 0, all = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    QuantizedGraph made(seed);
    const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {8, 24}, nullptr});
    made.graph.inputs = {x};
    made.graph.outputs = {
        made.Quantize(build(made, made.Dequantize(made.Quantize(x, 0.023f, 131, false))), 0.011f, 90, false)};
    const auto numbers = Inputs(8 * 24);
    const auto plain = Compute(made.graph, numbers);
    FuseQuantized(made.graph);
    ASSERT_EQ(made.Types(), types);
    const auto fused = Compute(made.graph, numbers);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      const int difference = std::abs(static_cast<int>(plain[i]) - static_cast<int>(fused[i]));
      ASSERT_LE(difference, 1);
      differing += difference != 0;
      ++all;
    }
  }
  EXPECT_LE(differing, all / 500);  // only where the number was close to a half
}

TEST(FuseQuantizedTest, CodesAreThoseOfTheGraphUpToRoundingTies) {
  ExpectCodesOfTheGraph(
      [](QuantizedGraph& made, ValueId x) {
        const ValueId weights = made.Weights(24, 33, 1, 100);
        return made.Apply("Gemm", {x, weights, made.Bias(33, 0.023f)}, {8, 33});
      },
      {"QuantizeLinear", "QuantizedGemm"});
}

TEST(FuseQuantizedTest, BoundsBehindALayerBoundItsCodes) {
  ExpectCodesOfTheGraph(
      [](QuantizedGraph& made, ValueId x) {
        const ValueId y = made.Apply("MatMul", {x, made.Weights(24, 33, 1, 100)}, {8, 33});
        return made.Apply("Clip", {y, made.Constant<float>({}, {-0.3f}), made.Constant<float>({}, {0.7f})}, {8, 33});
      },
      {"QuantizeLinear", "QuantizedGemm"});
}

TEST(FuseQuantizedTest, LeakyReluBehindALayerScalesItsNegativeSums) {
  const auto leaky = [](QuantizedGraph& made, ValueId x) {
    const ValueId weights = made.Weights(24, 33, 1, 100);
    const ValueId y = made.Apply("Gemm", {x, weights, made.Bias(33, 0.023f)}, {8, 33});
    return made.Apply("LeakyRelu", {y}, {8, 33}, {{"alpha", 0.1f}});
  };
  ExpectCodesOfTheGraph(leaky, {"QuantizeLinear", "QuantizedGemm"});
  QuantizedGraph made(3);
  const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {8, 24}, nullptr});
  made.graph.inputs = {x};
  made.graph.outputs = {leaky(made, made.Dequantize(made.Quantize(x, 0.023f, 131, false)))};
  const auto plain = Compute(made.graph, Inputs(8 * 24));
  FuseQuantized(made.graph);
  EXPECT_EQ(made.Types(), (std::multiset<std::string>{"QuantizeLinear", "QuantizedGemm"}));
  const auto fused = Compute(made.graph, Inputs(8 * 24));
  for (std::size_t i = 0; i < plain.size(); i += 4) {
    float expected = 0, computed = 0;
    std::memcpy(&expected, &plain[i], 4);
    std::memcpy(&computed, &fused[i], 4);
    EXPECT_NEAR(computed, expected, 1e-5);
  }
}

TEST(FuseQuantizedTest, ConvolutionsComputeWithCodesWhatTheGraphSays) {
  if (FindOperator("", "Transpose", 13) == nullptr) GTEST_SKIP() << "without Transpose";
  for (const bool has_codes : {false, true}) {
    QuantizedGraph made(5);
    const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {2, 24, 8}, nullptr});
    made.graph.inputs = {x};
    const ValueId matrix = made.Weights(33, 24 * 3, 0, 100);
    const Node& dequantize = made.graph.nodes.back();
    Value& codes = made.graph.values[dequantize.inputs[0]];
    auto kernel = std::make_shared<Constant>(ElementType::kInt8, Dims{33, 24, 3});
    std::copy(codes.constant->bytes().begin(), codes.constant->bytes().end(), kernel->mutable_bytes().begin());
    codes.constant = kernel;
    codes.dims = made.graph.values[matrix].dims = {33, 24, 3};
    const ValueId from = made.Dequantize(made.Quantize(x, 0.023f, 131, true));
    ValueId y = made.Apply("Conv", {from, matrix, made.Bias(33, 0.023f)}, {2, 33, 8},
                           {{"pads", std::vector<std::int64_t>{2, 0}}});
    y = made.Apply("Relu", {y}, {2, 33, 8});
    if (has_codes) y = made.Quantize(y, 0.02f, 3, false);
    made.graph.outputs = {y};
    const auto numbers = Inputs(2 * 24 * 8);
    const auto plain = Compute(made.graph, numbers);
    FuseQuantized(made.graph);
    EXPECT_EQ(made.Types(), (std::multiset<std::string>{"QuantizeLinear", "Transpose", "QuantizedConv", "Transpose"}));
    const auto fused = Compute(made.graph, numbers);
    ASSERT_EQ(plain.size(), fused.size());
    for (std::size_t i = 0; i < plain.size(); i += has_codes ? 1 : 4) {
      if (has_codes) {
        EXPECT_NEAR(static_cast<int>(plain[i]), static_cast<int>(fused[i]), 1);
      } else {
        float expected = 0, computed = 0;
        std::memcpy(&expected, &plain[i], 4);
        std::memcpy(&computed, &fused[i], 4);
        EXPECT_NEAR(computed, expected, 1e-5);
      }
    }
  }
}

TEST(FuseQuantizedTest, WhatOthersReadTooIsStillThere) {
  QuantizedGraph made(1);
  const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {8, 24}, nullptr});
  made.graph.inputs = {x};
  const ValueId from = made.Dequantize(made.Quantize(x, 0.023f, 131, true));
  const ValueId y = made.Apply("MatMul", {from, made.Weights(24, 24, 1, 100)}, {8, 24});
  const ValueId relu = made.Apply("Relu", {y}, {8, 24});
  made.graph.outputs = {made.Apply("Add", {y, relu}, {8, 24}), from};
  const auto numbers = Inputs(8 * 24);
  const auto plain = Compute(made.graph, numbers);
  FuseQuantized(made.graph);
  EXPECT_EQ(made.Types(),
            (std::multiset<std::string>{"QuantizeLinear", "DequantizeLinear", "QuantizedGemm", "Relu", "Add"}));
  const auto fused = Compute(made.graph, numbers);
  for (std::size_t i = 0; i < plain.size(); i += 4) {
    float expected = 0, computed = 0;
    std::memcpy(&expected, &plain[i], 4);
    std::memcpy(&computed, &fused[i], 4);
    EXPECT_NEAR(computed, expected, 1e-5);
  }
}

TEST(FuseQuantizedTest, LayersWithoutCodesStayAsTheyAre) {
  QuantizedGraph made(1);
  const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {8, 24}, nullptr});
  made.graph.inputs = {x};
  made.graph.outputs = {made.Apply("MatMul", {x, made.Weights(24, 24, 1, 100)}, {8, 24})};
  FuseQuantized(made.graph);
  EXPECT_EQ(made.Types(), (std::multiset<std::string>{"DequantizeLinear", "MatMul"}));
}

TEST(FuseQuantizedTest, WhatOnlyArrangesNumbersArrangesCodes) {
  for (const bool is_signed : {false, true})
    for (const bool has_codes_behind : {false, true}) {
      QuantizedGraph made(9);
      const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {8, 24}, nullptr});
      made.graph.inputs = {x};
      ValueId y = made.Dequantize(made.Quantize(x, 0.023f, 131, is_signed));
      y = made.Apply("Gemm", {y, made.Weights(24, 12, 1, 100)}, {8, 12});
      y = made.Dequantize(made.Quantize(y, 0.011f, 90, is_signed));
      y = made.Apply("Reshape", {y, made.Constant<std::int64_t>({2}, {2, 48})}, {2, 48});
      if (has_codes_behind) y = made.Dequantize(made.Quantize(y, 0.011f, 90, is_signed));
      y = made.Apply("Gemm", {y, made.Weights(48, 5, 1, 100)}, {2, 5});
      made.graph.outputs = {made.Quantize(y, 0.05f, 100, false)};
      const auto numbers = Inputs(8 * 24);
      const auto plain = Compute(made.graph, numbers);
      FuseQuantized(made.graph);
      EXPECT_EQ(made.Types(),
                (std::multiset<std::string>{"QuantizeLinear", "QuantizedGemm", "Reshape", "QuantizedGemm"}));
      const auto fused = Compute(made.graph, numbers);
      for (std::size_t i = 0; i < plain.size(); ++i)
        EXPECT_NEAR(static_cast<int>(plain[i]), static_cast<int>(fused[i]), 1);
    }
}

TEST(FuseQuantizedTest, CodesGoThroughAsManyNodesAsAFileMayHave) {
  QuantizedGraph made(1);
  const ValueId x = made.graph.Add({"x", ElementType::kFloat32, {2, 3}, nullptr});
  made.graph.inputs = {x};
  const ValueId codes = made.Quantize(x, 0.02f, 5, true);
  ValueId same = codes;
  for (int i = 0; i < 99'000; ++i) {
    same = made.Apply("Identity", {same}, {2, 3});
    made.graph.values[same].type = ElementType::kInt8;
  }
  const Node quantize = made.graph.nodes[0];
  made.graph.outputs = {made.Apply("DequantizeLinear", {same, quantize.inputs[1], quantize.inputs[2]}, {2, 3})};
  FuseQuantized(made.graph);
  EXPECT_EQ(made.graph.values[codes].type, ElementType::kUint8);
  EXPECT_EQ(made.graph.values[same].type, ElementType::kUint8);
}

}  // namespace
}  // namespace punctual::native
