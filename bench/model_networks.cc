#include "model_kinds.h"
#include "support/random_onnx_graph.h"

namespace punctual {

namespace {

constexpr std::int64_t kSteps = 100, kColumns = 40, kClasses = 3;

std::string Dense(RandomOnnxGraph& graph, const std::string& at, std::int64_t from, std::int64_t to,
                  std::vector<std::string> output = {}) {
  const std::string weights = graph.Weights({from, to}, from);
  return graph.Add("Gemm", {at, weights, graph.Bias(to)}, {}, std::move(output));
}

void Classify(RandomOnnxGraph& graph, const std::string& at, std::int64_t width, const std::string& output = "y") {
  graph.Add("Softmax", {Dense(graph, at, width, kClasses)}, {{"axis", std::int64_t{-1}}}, {output});
  graph.Output(output, {kClasses});
}

// All hidden states [steps, N, hidden], or the last [N, hidden], of an LSTM over [steps, N, inputs].
std::string Lstm(RandomOnnxGraph& graph, const std::string& at, std::int64_t inputs, std::int64_t hidden, bool all) {
  const float bound = std::sqrt(1.0f / static_cast<float>(hidden));
  const std::string wx = graph.Random({1, 4 * hidden, inputs}, bound);
  const std::string wh = graph.Random({1, 4 * hidden, hidden}, bound);
  const std::string bias = graph.Random({1, 8 * hidden}, bound);
  const std::string name = "states_" + std::to_string(graph.graph().node_size());
  const std::vector<std::string> outputs = all ? std::vector<std::string>{name} : std::vector<std::string>{"", name};
  graph.Add("LSTM", {at, wx, wh, bias}, {{"hidden_size", hidden}}, outputs);
  return graph.Add("Squeeze", {name, graph.Integers({all ? 1 : 0})});
}

// Three blocks of convolutions join price and size, then the sides, then the levels, and look at four steps each.
struct DeepLob {
  RandomOnnxGraph& graph;
  std::int64_t filters;

  std::string Conv(const std::string& at, std::int64_t from, std::int64_t to, const OnnxDims& kernel,
                   const OnnxDims& strides = {1, 1}) {
    // Over time the length is kept: of an even kernel the smaller half of the padding is in front.
    const std::int64_t reach = kernel[0] - 1;
    const std::string weights = graph.Weights({to, from, kernel[0], kernel[1]}, from * kernel[0] * kernel[1]);
    const std::string sums = graph.Add(
        "Conv", {at, weights, graph.Bias(to)},
        {{"kernel_shape", kernel}, {"strides", strides}, {"pads", OnnxDims{reach / 2, 0, reach - reach / 2, 0}}});
    return graph.Add("LeakyRelu", {sums}, {{"alpha", 0.01f}});
  }

  std::string Block(std::string at, std::int64_t from, std::int64_t width, std::int64_t stride) {
    at = Conv(at, from, filters, {1, width}, {1, stride});
    at = Conv(at, filters, filters, {4, 1});
    return Conv(at, filters, filters, {4, 1});
  }

  std::string Inception(const std::string& at) {
    const std::int64_t wide = 2 * filters;
    const std::string near = Conv(Conv(at, filters, wide, {1, 1}), wide, wide, {3, 1});
    const std::string far = Conv(Conv(at, filters, wide, {1, 1}), wide, wide, {5, 1});
    const std::string pooled =
        graph.Add("MaxPool", {at},
                  {{"kernel_shape", OnnxDims{3, 1}}, {"strides", OnnxDims{1, 1}}, {"pads", OnnxDims{1, 0, 1, 0}}});
    return graph.Add("Concat", {near, far, Conv(pooled, filters, wide, {1, 1})}, {{"axis", std::int64_t{1}}});
  }
};

struct Attention {
  static constexpr std::int64_t kWidth = 64, kHeads = 4, kInner = 4 * kWidth;
  RandomOnnxGraph& graph;

  std::string Product(const std::string& at, std::int64_t from, std::int64_t to) {
    const std::string weights = graph.Weights({from, to}, 2 * from);
    return graph.Add("Add", {graph.Add("MatMul", {at, weights}), graph.Bias(to)});
  }
  std::string Normalized(const std::string& at) {
    const std::string scale = graph.Floats({kWidth}, std::vector<float>(kWidth, 1.0f));
    return graph.Add("LayerNormalization", {at, scale, graph.Bias(kWidth)},
                     {{"axis", std::int64_t{-1}}, {"epsilon", 1e-5f}});
  }
  std::string Heads(const std::string& at, const OnnxDims& order) {
    const std::string apart =
        graph.Add("Reshape", {Product(at, kWidth, kWidth), graph.Integers({-1, kSteps, kHeads, kWidth / kHeads})});
    return graph.Add("Transpose", {apart}, {{"perm", order}});
  }
  std::string Attend(const std::string& at) {
    const std::string queries = Heads(at, {0, 2, 1, 3}), keys = Heads(at, {0, 2, 3, 1}),
                      values = Heads(at, {0, 2, 1, 3});
    const float scale = std::sqrt(static_cast<float>(kWidth / kHeads));
    const std::string scores = graph.Add("Div", {graph.Add("MatMul", {queries, keys}), graph.Scalar(scale)});
    const std::string shares = graph.Add("Softmax", {scores}, {{"axis", std::int64_t{-1}}});
    const std::string seen =
        graph.Add("Transpose", {graph.Add("MatMul", {shares, values})}, {{"perm", OnnxDims{0, 2, 1, 3}}});
    return Product(graph.Add("Reshape", {seen, graph.Integers({-1, kSteps, kWidth})}), kWidth, kWidth);
  }
  // Gelu, as exporters write it where the opset has none.
  std::string Gelu(const std::string& at) {
    const std::string erf = graph.Add("Erf", {graph.Add("Div", {at, graph.Scalar(std::sqrt(2.0f))})});
    return graph.Add("Mul", {graph.Add("Mul", {at, graph.Add("Add", {erf, graph.Scalar(1)})}), graph.Scalar(0.5f)});
  }
  std::string Layer(std::string at) {
    at = graph.Add("Add", {at, Attend(Normalized(at))});
    return graph.Add("Add", {at, Product(Gelu(Product(Normalized(at), kWidth, kInner)), kInner, kWidth)});
  }
};

}  // namespace

OnnxGraph MakePerceptron(const std::vector<std::int64_t>& widths) {
  RandomOnnxGraph graph("mlp");
  std::string at = graph.Input("x", {widths.front()});
  for (std::size_t i = 0; i + 2 < widths.size(); ++i)
    at = graph.Add("Relu", {Dense(graph, at, widths[i], widths[i + 1])});
  Dense(graph, at, widths[widths.size() - 2], widths.back(), {"y"});
  graph.Output("y", {widths.back()});
  return graph;
}

OnnxGraph MakeDeepLob(std::int64_t filters, bool of_books) {
  RandomOnnxGraph graph("deeplob");
  std::string at;
  if (of_books)
    at = graph.Add("Unsqueeze", {graph.Input("book", {kSteps, kColumns}), graph.Integers({1})});
  else
    at = graph.Input("x", {1, kSteps, kColumns});
  DeepLob lob{graph, filters};
  at = lob.Block(at, 1, 2, 2);
  at = lob.Block(at, filters, 2, 2);
  at = lob.Block(at, filters, kColumns / 4, 1);
  at = graph.Add("Squeeze", {lob.Inception(at), graph.Integers({3})});
  at = graph.Add("Transpose", {at}, {{"perm", OnnxDims{2, 0, 1}}});
  Classify(graph, Lstm(graph, at, 6 * filters, 64, false), 64, of_books ? "probabilities" : "y");
  return graph;
}

OnnxGraph MakeLstm(std::int64_t steps, std::int64_t inputs, std::int64_t layers, std::int64_t hidden) {
  RandomOnnxGraph graph("lstm");
  std::string at = graph.Add("Transpose", {graph.Input("x", {steps, inputs})}, {{"perm", OnnxDims{1, 0, 2}}});
  for (std::int64_t i = 0; i < layers; ++i) at = Lstm(graph, at, i == 0 ? inputs : hidden, hidden, i + 1 < layers);
  Classify(graph, at, hidden);
  return graph;
}

OnnxGraph MakeTcn() {
  constexpr std::int64_t kChannels = 128, kTaps = 8;
  RandomOnnxGraph graph("tcn");
  std::string at = graph.Add("Transpose", {graph.Input("x", {kSteps, kColumns})}, {{"perm", OnnxDims{0, 2, 1}}});
  std::int64_t from = kColumns;
  for (const std::int64_t dilation : {1, 2, 4}) {
    const std::string weights = graph.Weights({kChannels, from, kTaps}, from * kTaps);
    at = graph.Add("Conv", {at, weights, graph.Bias(kChannels)},
                   {{"kernel_shape", OnnxDims{kTaps}},
                    {"dilations", OnnxDims{dilation}},
                    {"pads", OnnxDims{(kTaps - 1) * dilation, 0}}});
    at = graph.Add("Relu", {at});
    from = kChannels;
  }
  at = graph.Add("Gather", {at, graph.Integer(kSteps - 1)}, {{"axis", std::int64_t{2}}});
  Classify(graph, at, kChannels);
  return graph;
}

OnnxGraph MakeTransformer() {
  RandomOnnxGraph graph("transformer");
  Attention attention{graph};
  std::string at = attention.Product(graph.Input("x", {kSteps, kColumns}), kColumns, Attention::kWidth);
  at = graph.Add("Add", {at, graph.Random({1, kSteps, Attention::kWidth}, 0.5f)});  // where a step stands in time
  for (int layer = 0; layer < 2; ++layer) at = attention.Layer(at);
  at = graph.Add("ReduceMean", {attention.Normalized(at)}, {{"axes", OnnxDims{1}}, {"keepdims", std::int64_t{0}}});
  Classify(graph, at, Attention::kWidth);
  return graph;
}

}  // namespace punctual
