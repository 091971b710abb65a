#include <algorithm>

#include "backend/native/passes/passes.h"

namespace punctual::native {

void DropUnused(Graph& graph) {
  std::vector<bool> needed(graph.values.size(), false);
  for (const ValueId output : graph.outputs) needed[output] = true;
  std::vector<Node> kept;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    // What is constant by now needs nobody to compute it.
    const bool is_needed = std::any_of(node->outputs.begin(), node->outputs.end(), [&](ValueId output) {
      return output != kNoValue && needed[output] && graph.values[output].constant == nullptr;
    });
    if (!is_needed) continue;
    for (const ValueId input : node->inputs)
      if (input != kNoValue) needed[input] = true;
    kept.push_back(std::move(*node));
  }
  for (std::size_t id = 0; id < graph.values.size(); ++id)
    if (!needed[id]) graph.values[id].constant.reset();
  std::reverse(kept.begin(), kept.end());
  graph.nodes = std::move(kept);
}

}  // namespace punctual::native
