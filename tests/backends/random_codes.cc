#include <cmath>

#include "backends/random_operators.h"

namespace punctual::test {

namespace {

constexpr int kLargestWeight = 63;  // of 7 bits, as quantisers make them for all processors

// Codes for numbers up to `bound`, of either type, around either zero.
struct Codes {
  float scale;
  bool is_signed;
  int zero_point;
};

Codes CodesFor(GrowingGraph& graph, float bound) {
  const bool is_signed = graph.Chance(40);
  const int zero_point = graph.Between(100, 150) - (is_signed ? 128 : 0);
  return {2 * bound / 255, is_signed, zero_point};
}

std::string ZeroPoint(GrowingGraph& graph, const Codes& codes) {
  if (codes.is_signed)
    return graph.onnx().Constant(onnx::TensorProto::INT8, {}, std::vector{static_cast<std::int8_t>(codes.zero_point)});
  return graph.onnx().Constant(onnx::TensorProto::UINT8, {}, std::vector{static_cast<std::uint8_t>(codes.zero_point)});
}

// The value after it went through codes.
std::string Coded(GrowingGraph& graph, const std::string& x, const Codes& codes) {
  const std::string scale = graph.onnx().Scalar(codes.scale), zero_point = ZeroPoint(graph, codes);
  graph.NoteCodes(codes.scale);
  return graph.Node("DequantizeLinear", {graph.Node("QuantizeLinear", {x, scale, zero_point}), scale, zero_point});
}

bool GrowCodes(GrowingGraph& graph, const GrownValue& x) {
  GrownValue y = x;
  y.is_exact = false;
  y.name = Coded(graph, x.name, CodesFor(graph, x.bound));
  graph.Put(std::move(y));
  return true;
}

// Weights of codes with a scale for each index of `axis`, or one for all.
std::string CodedWeights(GrowingGraph& graph, const OnnxDims& dims, std::size_t axis, std::int64_t fan_in,
                         std::vector<float>& scales) {
  const std::int64_t count = GrownValue{.name = {}, .dims = dims}.count();
  std::vector<std::int8_t> codes;
  for (std::int64_t i = 0; i < count; ++i)
    codes.push_back(static_cast<std::int8_t>(graph.Between(-kLargestWeight, kLargestWeight)));
  const float typical = std::sqrt(3.0f / static_cast<float>(fan_in)) / kLargestWeight;
  scales.clear();
  for (std::int64_t i = 0; i < dims[axis]; ++i) scales.push_back(typical * graph.Uniform(0.7f, 1.2f));
  const std::string as_codes = graph.onnx().Constant(onnx::TensorProto::INT8, dims, codes);
  const bool is_per_tensor = graph.opset() < 13 || graph.Chance(20);
  if (is_per_tensor) {
    scales.assign(scales.size(), scales[0]);
    const std::string zero = graph.onnx().Constant(onnx::TensorProto::INT8, {}, std::vector<std::int8_t>{0});
    return graph.Node("DequantizeLinear", {as_codes, graph.onnx().Scalar(scales[0]), zero});
  }
  const std::string zeros =
      graph.onnx().Constant(onnx::TensorProto::INT8, {dims[axis]}, std::vector<std::int8_t>(scales.size(), 0));
  return graph.Node("DequantizeLinear", {as_codes, graph.onnx().Floats({dims[axis]}, scales), zeros},
                    {{"axis", static_cast<std::int64_t>(axis)}});
}

// Of a layer over numbers with that scale: whole steps of its sums, or any numbers.
std::string Bias(GrowingGraph& graph, float x_scale, const std::vector<float>& scales) {
  const auto channels = static_cast<std::int64_t>(scales.size());
  if (graph.opset() < 13 || graph.Chance(30)) return graph.Random({channels}, -0.5f, 0.5f);
  std::vector<std::int32_t> sums;
  std::vector<float> steps;
  for (const float scale : scales) {
    steps.push_back(x_scale * scale);
    sums.push_back(static_cast<std::int32_t>(graph.Uniform(-0.5f, 0.5f) / steps.back()));
  }
  const std::string codes = graph.onnx().Constant(onnx::TensorProto::INT32, {channels}, sums);
  return graph.Node("DequantizeLinear", {codes, graph.onnx().Floats({channels}, steps)}, {{"axis", std::int64_t{0}}});
}

// What stands behind a quantised layer.
void PutLayer(GrowingGraph& graph, GrownValue y) {
  y.bound += 0.5f;
  y.is_exact = false;
  const int form = graph.Between(0, 9);
  if (form < 4) y.name = graph.Node("Relu", {y.name});
  if (form == 4) y.name = graph.Node("LeakyRelu", {y.name}, {{"alpha", 0.1f}});
  if (form == 5) y.name = graph.Node("Clip", {y.name, graph.onnx().Scalar(-0.7f), graph.onnx().Scalar(1.3f)});
  if (graph.Chance(70)) y.name = Coded(graph, y.name, CodesFor(graph, y.bound));
  graph.Put(std::move(y));
}

bool GrowCodedDense(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() < 2 || x.IsBatch(x.rank() - 1)) return false;
  const std::int64_t depth = x.dims.back(), width = graph.OneOf(std::vector<std::int64_t>{1, 3, 5, 8, 16, 19, 32});
  const Codes codes = CodesFor(graph, x.bound);
  const std::string from = Coded(graph, x.name, codes);
  GrownValue y = x;
  y.dims.back() = width;
  std::vector<float> scales;
  if (x.rank() == 2 && !x.IsBatch(1) && graph.Chance(60)) {
    const bool turns = graph.Chance(50);
    const std::string weights =
        CodedWeights(graph, turns ? OnnxDims{width, depth} : OnnxDims{depth, width}, turns ? 0 : 1, depth, scales);
    y.name = graph.Node("Gemm", {from, weights, Bias(graph, codes.scale, scales)}, {{"transB", std::int64_t{turns}}});
  } else {
    y.name = graph.Node("MatMul", {from, CodedWeights(graph, {depth, width}, 1, depth, scales)});
    if (graph.Chance(70)) y.name = graph.Node("Add", {y.name, Bias(graph, codes.scale, scales)});
  }
  PutLayer(graph, std::move(y));
  return true;
}

bool GrowCodedConvolution(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() < 3 || x.rank() > 4 || (x.batch_axis != kNoAxis && x.batch_axis != 0)) return false;
  const Codes codes = CodesFor(graph, x.bound);
  const std::int64_t channels = graph.OneOf(std::vector<std::int64_t>{1, 3, 8, 16, 17});
  OnnxDims dims{channels, x.dims[1]}, pads;
  GrownValue y = x;
  y.dims[1] = channels;
  for (std::size_t axis = 2; axis < x.rank(); ++axis) {
    dims.push_back(graph.Between(1, static_cast<int>(std::min<std::int64_t>(3, x.dims[axis]))));
    pads.push_back(graph.Between(0, static_cast<int>(dims.back()) - 1));
    y.dims[axis] += pads.back() + 1 - dims.back();
  }
  pads.insert(pads.end(), x.rank() - 2, 0);
  const std::string from = Coded(graph, x.name, codes);
  std::vector<float> scales;
  const std::int64_t fan_in = GrownValue{.name = {}, .dims = dims}.count() / channels;
  std::vector<std::string> inputs{from, CodedWeights(graph, dims, 0, fan_in, scales)};
  if (graph.Chance(80)) inputs.push_back(Bias(graph, codes.scale, scales));
  y.name = graph.Node("Conv", inputs, {{"pads", pads}});
  PutLayer(graph, std::move(y));
  return true;
}

constexpr Growth kGrowths[] = {{2, GrowCodes}, {3, GrowCodedDense}, {3, GrowCodedConvolution}};

}  // namespace

std::span<const Growth> CodeGrowths() { return kGrowths; }

}  // namespace punctual::test
