#include "backend/native/graph/infer.h"

#include <algorithm>
#include <string>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"

namespace punctual::native {

namespace {

constexpr std::size_t kMostFoldedElements = std::size_t{1} << 24;  // of one value; larger ones are left to a run

const Dims kNotInferred = {-1};

std::size_t ConstantBytes(const Graph& graph, const Node& node) {
  std::size_t bytes = 0;
  for (const ValueId output : node.outputs)
    if (output != kNoValue && graph.values[output].constant != nullptr)
      bytes += graph.values[output].constant->bytes().size();
  return bytes;
}

}  // namespace

Result<void> Infer(Graph& graph, const Limits& limits) {
  std::size_t constant_bytes = 0;
  for (const Node& node : graph.nodes) {
    for (const ValueId output : node.outputs)
      if (output != kNoValue) graph.values[output].dims = kNotInferred;
    InferContext context(graph, node, limits);
    PUNCTUAL_TRY(node.op->infer(context));
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kNoValue && graph.values[node.outputs[i]].dims == kNotInferred)
        return context.Unsupported("output " + std::to_string(i) + " is not supported");
    PUNCTUAL_TRY(FoldNode(graph, node, std::min(kMostFoldedElements, limits.max_elements)));
    constant_bytes += ConstantBytes(graph, node);
    if (constant_bytes > limits.max_arena_bytes)
      return context.Wrong("the constants up to here take more than " + std::to_string(limits.max_arena_bytes) +
                           " bytes");
  }
  return {};
}

}  // namespace punctual::native
