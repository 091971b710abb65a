#include <algorithm>
#include <string_view>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"

namespace punctual::native {

namespace {

// About how many numbers it multiplies, adds or moves. Too many at most: for what is not one of the dear operators it
// does not matter.
double WorkOf(const Graph& graph, const Node& node) {
  const auto dims = [&](std::size_t i) { return graph.values[node.inputs[i]].dims; };
  double numbers = 0, outputs = 0;
  for (const ValueId input : node.inputs)
    if (input != kNoValue) numbers += static_cast<double>(CountOf(graph.values[input].dims));
  for (const ValueId output : node.outputs)
    if (output != kNoValue) outputs += static_cast<double>(CountOf(graph.values[output].dims));
  const std::string_view type = node.op->type;
  double each = 1;  // products of an output
  if (type == "MatMul") each = static_cast<double>(dims(0).back());
  if (type == "Gemm") each = static_cast<double>(std::max(dims(0)[0], dims(0)[1]));
  if (type == "Conv") each = static_cast<double>(CountOf(dims(1))) / static_cast<double>(dims(1)[0]);
  if (type == "LSTM" || type == "GRU") each = static_cast<double>(4 * (dims(1)[2] + dims(2)[2]));
  if (const auto* const kernel = node.Ints("kernel_shape"); kernel != nullptr && type != "Conv")
    for (const std::int64_t size : *kernel) each *= static_cast<double>(size);
  // Of an ensemble, all nodes may be passed for each row.
  if (const auto* const trees = node.Ints("nodes_treeids"); trees != nullptr) each = static_cast<double>(trees->size());
  return numbers + outputs * each;
}

}  // namespace

Result<void> FoldNode(Graph& graph, const Node& node, FoldingBounds& bounds) {
  for (const ValueId input : node.inputs)
    if (input != kNoValue && graph.values[input].constant == nullptr) return {};
  Graph alone;
  Node copy = node;
  for (ValueId& input : copy.inputs)
    if (input != kNoValue) input = alone.Add(graph.values[input]);
  for (ValueId& output : copy.outputs) {
    if (output == kNoValue) continue;
    if (graph.values[output].constant != nullptr) return {};  // infer knew it already
    if (CountOf(graph.values[output].dims) > bounds.most_elements) return {};
    output = alone.Add(graph.values[output]);
    alone.outputs.push_back(output);
  }
  const double work = WorkOf(graph, node);
  if (work > bounds.work_left) return {};
  bounds.work_left -= work;
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
    std::ranges::copy(bytes, constant->mutable_bytes().begin());
    value.constant = std::move(constant);
  }
  return {};
}

}  // namespace punctual::native
