#include <algorithm>
#include <cstring>

#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"

namespace punctual::native {

Result<void> FoldNode(Graph& graph, const Node& node, std::size_t most_elements) {
  for (const ValueId input : node.inputs)
    if (input != kNoValue && graph.values[input].constant == nullptr) return {};
  Graph alone;
  Node copy = node;
  for (ValueId& input : copy.inputs)
    if (input != kNoValue) input = alone.Add(graph.values[input]);
  for (ValueId& output : copy.outputs) {
    if (output == kNoValue) continue;
    if (graph.values[output].constant != nullptr) return {};  // infer knew it already
    if (CountOf(graph.values[output].dims) > most_elements) return {};
    output = alone.Add(graph.values[output]);
    alone.outputs.push_back(output);
  }
  alone.nodes.push_back(std::move(copy));
  PUNCTUAL_ASSIGN(const auto plan, Plan::Make(std::move(alone)));
  Arena arena(plan->arena_bytes());
  plan->Run(arena);
  std::size_t number = 0;
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    Value& value = graph.values[output];
    auto constant = std::make_shared<Constant>(value.type, value.dims);
    const auto bytes = plan->output(number++, arena);
    std::memcpy(constant->mutable_bytes().data(), bytes.data(), bytes.size());
    value.constant = std::move(constant);
  }
  return {};
}

}  // namespace punctual::native
