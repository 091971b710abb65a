// Writes a multi-layer perceptron with random weights as ONNX: make_mlp FILE PARTS WIDTH WIDTH...
// Input "x" [N, PARTS * first width], Relu between the layers, Softmax at the end, output "y" [N, last width].
// Each part of the input goes through the same layers, and "y" is the mean of what they give: more parts take more
// computing, and not more memory.
#include <cstdio>
#include <cstdlib>

#include "support/random_onnx_graph.h"

int main(int argc, char** argv) {
  std::vector<std::int64_t> widths;
  for (int i = 3; i < argc; ++i) widths.push_back(std::strtol(argv[i], nullptr, 10));
  const std::int64_t parts = widths.size() < 2 ? 0 : std::strtol(argv[2], nullptr, 10);
  if (parts < 1) {
    std::fprintf(stderr, "usage: make_mlp FILE PARTS WIDTH WIDTH...\n");
    return 2;
  }
  punctual::RandomOnnxGraph graph("mlp", 13);
  std::string at = graph.Input("x", {parts * widths.front()});
  graph.Output("y", {widths.back()});
  if (parts > 1) at = graph.Add("Reshape", {at, graph.Integers({-1, widths.front()})});
  for (std::size_t layer = 0; layer + 1 < widths.size(); ++layer) {
    const std::int64_t inputs = widths[layer], outputs = widths[layer + 1];
    const std::string weights = graph.Weights({inputs, outputs}, inputs);
    at = graph.Add("Gemm", {at, weights, graph.Weights({outputs}, outputs)});
    if (layer + 2 < widths.size()) at = graph.Add("Relu", {at});
  }
  if (parts == 1) {
    graph.Add("Softmax", {at}, {}, {"y"});
  } else {
    at = graph.Add("Reshape", {graph.Add("Softmax", {at}), graph.Integers({-1, parts, widths.back()})});
    graph.Add("ReduceMean", {at}, {{"axes", punctual::OnnxDims{1}}, {"keepdims", std::int64_t{0}}}, {"y"});
  }
  return graph.Write(argv[1]) ? 0 : 1;
}
