// Whole quantised models, from file to numbers.
#define HWY_WANT_AVX3_DL
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/kernels/every_target.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "model/backend.h"
#include "support/random_onnx_graph.h"

namespace punctual::native {
namespace {

using Bytes = std::vector<std::byte>;

// As a quantiser writes it: codes in front of each layer, weights per channel, biases in steps of the sums.
class QuantizedModel {
 public:
  // `range`: of the weights' codes, at most 127. Beyond 64 some targets need two planes of them.
  explicit QuantizedModel(int range) : range_(range) {}

  RandomOnnxGraph& graph() { return graph_; }

  // `x` after it went through codes.
  std::string Coded(const std::string& x, float scale, int zero_point) {
    scale_ = scale;
    const std::string step = graph_.Scalar(scale);
    const std::string zero =
        graph_.Constant(onnx::TensorProto::UINT8, {}, std::vector{static_cast<std::uint8_t>(zero_point)});
    return graph_.Add("DequantizeLinear", {graph_.Add("QuantizeLinear", {x, step, zero}), step, zero});
  }
  // Of what Coded gave last.
  std::string Dense(const std::string& x, std::int64_t from, std::int64_t to) {
    const std::string weights = Weights({to, from}, from);
    return graph_.Add("Gemm", {x, weights, Bias()}, {{"transB", std::int64_t{1}}});
  }
  std::string Convolution(const std::string& x, const OnnxDims& dims, const std::vector<OnnxAttribute>& attributes) {
    const std::string weights = Weights(dims, dims[1] * dims[2] * dims[3]);
    return graph_.Add("Conv", {x, weights, Bias()}, attributes);
  }

 private:
  std::string Weights(const OnnxDims& dims, std::int64_t fan_in) {
    std::int64_t count = 1;
    for (const std::int64_t dimension : dims) count *= dimension;
    std::vector<std::int8_t> codes;
    for (std::int64_t i = 0; i < count; ++i)
      codes.push_back(static_cast<std::int8_t>(graph_.Below(static_cast<std::uint32_t>(2 * range_ + 1))) - range_);
    scales_.clear();
    for (std::int64_t i = 0; i < dims[0]; ++i)
      scales_.push_back((1.2f + 0.5f * graph_.Uniform()) / static_cast<float>(range_) /
                        std::sqrt(static_cast<float>(fan_in)));
    const std::string as_codes = graph_.Constant(onnx::TensorProto::INT8, dims, codes);
    return graph_.Add("DequantizeLinear", {as_codes, graph_.Floats({dims[0]}, scales_)}, {{"axis", std::int64_t{0}}});
  }
  std::string Bias() {
    const auto channels = static_cast<std::int64_t>(scales_.size());
    std::vector<std::int32_t> sums;
    for (float& scale : scales_) {
      scale *= scale_;
      sums.push_back(static_cast<std::int32_t>(0.3f * graph_.Uniform() / scale));
    }
    const std::string as_sums = graph_.Constant(onnx::TensorProto::INT32, {channels}, sums);
    return graph_.Add("DequantizeLinear", {as_sums, graph_.Floats({channels}, scales_)}, {{"axis", std::int64_t{0}}});
  }

  const int range_;
  RandomOnnxGraph graph_{"quantized"};
  float scale_ = 0;            // of the codes that a layer reads
  std::vector<float> scales_;  // of the layer's weights
};

std::string Perceptron(int range) {
  QuantizedModel model(range);
  RandomOnnxGraph& graph = model.graph();
  std::string at = model.Coded(graph.Input("x", {40}), 0.03f, 128);
  at = model.Coded(graph.Add("Relu", {model.Dense(at, 40, 65)}), 0.012f, 0);
  at = model.Coded(graph.Add("LeakyRelu", {model.Dense(at, 65, 33)}, {{"alpha", 0.1f}}), 0.011f, 40);
  graph.Add("Identity", {model.Dense(at, 33, 3)}, {}, {"y"});
  graph.Output("y", {3});
  return graph.Bytes();
}

std::string ConvolutionNetwork(int range) {
  QuantizedModel model(range);
  RandomOnnxGraph& graph = model.graph();
  std::string at = model.Coded(graph.Input("x", {2, 12, 10}), 0.03f, 128);
  at = model.Convolution(at, {17, 2, 3, 3}, {{"pads", OnnxDims{1, 1, 1, 1}}});
  at = model.Coded(graph.Add("Relu", {at}), 0.012f, 0);
  at = graph.Add("MaxPool", {at}, {{"kernel_shape", OnnxDims{2, 2}}, {"strides", OnnxDims{2, 1}}});
  at = model.Convolution(model.Coded(at, 0.012f, 0), {32, 17, 3, 1}, {{"dilations", OnnxDims{2, 1}}});
  at = model.Coded(graph.Add("LeakyRelu", {at}, {{"alpha", 0.1f}}), 0.011f, 40);
  at = model.Convolution(at, {8, 32, 2, 3}, {{"strides", OnnxDims{1, 2}}});
  at = model.Coded(graph.Add("Flatten", {at}), 0.012f, 120);
  graph.Add("Identity", {model.Dense(at, 8 * 4, 3)}, {}, {"y"});
  graph.Output("y", {3});
  return graph.Bytes();
}

// How many layers compute with codes when the model is served.
std::size_t QuantizedLayers(const std::string& onnx) {
  Graph graph = ReadOnnx(onnx, "model").value().graph;
  Optimize(graph);
  return static_cast<std::size_t>(std::count_if(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.op->type == "QuantizedGemm" || node.op->type == "QuantizedConv";
  }));
}

// For `batch` questions at once, always the same ones.
Bytes Answers(const std::string& onnx, std::size_t batch) {
  const auto model = FindBackend("native").value()->Compile({onnx, "model", "fp32", "CPU"}).value();
  const auto session = model->NewSession(batch).value();
  std::mt19937 random(3);
  std::vector<float> x(session->input(0).size() / sizeof(float));
  for (float& number : x) number = static_cast<float>(random()) / 1073741824.0f - 2.0f;
  std::memcpy(session->input(0).data(), x.data(), session->input(0).size());
  EXPECT_TRUE(session->Run().has_value());
  return {session->output(0).begin(), session->output(0).end()};
}

void ExpectTheSameBitsOnEveryTarget(const std::string& onnx, std::size_t layers) {
  EXPECT_EQ(QuantizedLayers(onnx), layers);
  for (const std::size_t batch : {1u, 5u}) {
    Bytes first;
    test::OnEveryTarget([&] {
      const Bytes answers = Answers(onnx, batch);
      if (first.empty()) first = answers;
      EXPECT_TRUE(answers == first) << batch << " at once";
    });
    // They are answers: no number is there twice.
    const auto* const numbers = reinterpret_cast<const float*>(first.data());
    EXPECT_EQ(std::set<float>(numbers, numbers + 3 * batch).size(), 3 * batch);
  }
}

TEST(QuantizedModelTest, APerceptronGivesTheSameBitsOnEveryTarget) {
  ExpectTheSameBitsOnEveryTarget(Perceptron(63), 3);
  ExpectTheSameBitsOnEveryTarget(Perceptron(127), 3);
}

TEST(QuantizedModelTest, AConvolutionNetworkGivesTheSameBitsOnEveryTarget) {
  ExpectTheSameBitsOnEveryTarget(ConvolutionNetwork(63), 4);
  ExpectTheSameBitsOnEveryTarget(ConvolutionNetwork(127), 4);
}

}  // namespace
}  // namespace punctual::native
