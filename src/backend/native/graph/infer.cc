#include "backend/native/graph/infer.h"

#include <algorithm>
#include <string>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"

namespace punctual::native {

namespace {

const Dims kNotInferred = {-1};

// Of constants among those values.
std::size_t ConstantBytes(const Graph& graph, const std::vector<ValueId>& values) {
  std::size_t bytes = 0;
  for (const ValueId id : values)
    if (id != kNoValue && graph.values[id].constant != nullptr) bytes += graph.values[id].constant->bytes().size();
  return bytes;
}

bool IsComputed(const Graph& graph, const Node& node) {
  return std::any_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId id) { return id != kNoValue && graph.values[id].constant == nullptr; });
}

Result<void> CheckAttributes(const InferContext& context) {
  for (const auto& [name, value] : context.node().attributes) {
    bool is_known = false, fits = false;
    for (const KnownAttribute& known : context.node().op->attributes) {
      if (known.name != name) continue;
      is_known = true;
      fits = fits || value.index() == static_cast<std::size_t>(known.kind);
    }
    if (!is_known) return context.Unsupported("attribute \"" + name + "\" is not supported");
    if (!fits) return context.Wrong("attribute \"" + name + "\" is of another kind than it must be");
  }
  return {};
}

}  // namespace

Result<void> InferNode(Graph& graph, const Node& node, const Limits& limits) {
  for (const ValueId output : node.outputs)
    if (output != kNoValue) graph.values[output].dims = kNotInferred;
  InferContext context(graph, node, limits);
  PUNCTUAL_TRY(CheckAttributes(context));
  PUNCTUAL_TRY(node.op->infer(context));
  for (std::size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i] != kNoValue && graph.values[node.outputs[i]].dims == kNotInferred)
      return context.Unsupported("output " + std::to_string(i) + " is not supported");
  return {};
}

Result<void> Infer(Graph& graph, const Limits& limits) {
  std::size_t made_bytes = 0, read_bytes = 0;
  FoldingBounds bounds;
  bounds.most_elements = std::min(bounds.most_elements, limits.max_elements);
  for (const Node& node : graph.nodes) {
    PUNCTUAL_TRY(InferNode(graph, node, limits));
    PUNCTUAL_TRY(FoldNode(graph, node, bounds));
    made_bytes += ConstantBytes(graph, node.outputs);
    // Passes and plans arrange the constants for each node that reads them.
    if (IsComputed(graph, node)) read_bytes += ConstantBytes(graph, node.inputs);
    if (std::max(made_bytes, read_bytes) > limits.max_kept_bytes)
      return InferContext(graph, node, limits)
          .Wrong("the constants up to here take more than " + std::to_string(limits.max_kept_bytes) +
                 " bytes, counted for each node that reads them");
  }
  return {};
}

}  // namespace punctual::native
