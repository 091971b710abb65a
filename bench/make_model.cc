// Writes a model of the kinds that trading systems run, with random weights and an open batch, as ONNX:
// make_model KIND FILE [--input book]
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>

#include "onnx_graph.h"

namespace punctual {
namespace {

constexpr std::int64_t kSteps = 100, kColumns = 40, kClasses = 3;

// DeepLOB (Zhang, Zohren, Roberts, 2019) as its authors' code has it: three blocks of convolutions that join price and
// size, then the sides, then the levels, and look at four steps each; an inception block; an LSTM whose last state is
// classified. `filters`: of the blocks; the inception's branches have twice as many.
struct DeepLob {
  OnnxGraph& graph;
  std::int64_t filters;

  std::string Conv(const std::string& at, std::int64_t from, std::int64_t to, const OnnxDims& kernel,
                   const OnnxDims& strides = {1, 1}) {
    // Over time the length is kept: of an even kernel the smaller half of the padding is in front.
    const std::int64_t reach = kernel[1] > 1 ? 0 : kernel[0] - 1;
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

// The last hidden state [N, hidden] of an LSTM over [steps, N, inputs].
std::string LstmLast(OnnxGraph& graph, const std::string& at, std::int64_t inputs, std::int64_t hidden) {
  const float bound = std::sqrt(1.0f / static_cast<float>(hidden));
  const std::string wx = graph.Random({1, 4 * hidden, inputs}, bound);
  const std::string wh = graph.Random({1, 4 * hidden, hidden}, bound);
  const std::string state =
      graph.Add("LSTM", {at, wx, wh, graph.Random({1, 8 * hidden}, bound)}, {{"hidden_size", hidden}},
                {"", "state_" + std::to_string(graph.graph().node_size())});
  return graph.Add("Squeeze", {state, graph.Integers({0})});
}

void Classify(OnnxGraph& graph, const std::string& at, std::int64_t width, const std::string& output) {
  const std::string logits = graph.Add("Gemm", {at, graph.Weights({width, kClasses}, width), graph.Bias(kClasses)});
  graph.Add("Softmax", {logits}, {{"axis", std::int64_t{-1}}}, {output});
  graph.Output(output, {kClasses});
}

// `of_books`: input "book" [N, 100, 40] and output "probabilities", as the served models have them; else "x" with the
// channel's axis, and "y".
OnnxGraph MakeDeepLob(std::int64_t filters, bool of_books) {
  OnnxGraph graph("deeplob");
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
  Classify(graph, LstmLast(graph, at, 6 * filters, 64), 64, of_books ? "probabilities" : "y");
  return graph;
}

using Maker = std::function<OnnxGraph(bool of_books)>;

const std::map<std::string, Maker>& Kinds() {
  static const std::map<std::string, Maker> kinds = {
      {"deeplob_16", [](bool of_books) { return MakeDeepLob(16, of_books); }},
      {"deeplob_32", [](bool of_books) { return MakeDeepLob(32, of_books); }},
  };
  return kinds;
}

int Main(int argc, char** argv) {
  const auto kind = argc < 3 ? Kinds().end() : Kinds().find(argv[1]);
  const bool of_books = argc == 5 && std::strcmp(argv[3], "--input") == 0 && std::strcmp(argv[4], "book") == 0;
  if (kind == Kinds().end() || (argc != 3 && !of_books)) {
    std::fprintf(stderr, "usage: make_model KIND FILE [--input book (DeepLOB only)]; KIND one of:\n");
    for (const auto& [name, maker] : Kinds()) std::fprintf(stderr, "  %s\n", name.c_str());
    return 2;
  }
  return kind->second(of_books).Write(argv[2]) ? 0 : 1;
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) { return punctual::Main(argc, argv); }
