#include "backend/native/plan/plan.h"

#include <string>
#include <utility>

#include "backend/native/graph/infer.h"
#include "backend/native/operators/operator.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

std::size_t BytesOf(const Value& value) { return CountOf(value.dims) * SizeOf(value.type); }

// A pass that gave a value another shape than its node computes would be an error in memory: it is one here.
Result<void> CheckShapes(Graph& graph, const Limits& limits) {
  for (const Node& node : graph.nodes) {
    std::vector<std::pair<ElementType, Dims>> expected;
    for (const ValueId id : node.outputs)
      expected.emplace_back(id == kNoValue ? ElementType::kFloat32 : graph.values[id].type,
                            id == kNoValue ? Dims() : graph.values[id].dims);
    PUNCTUAL_TRY(InferNode(graph, node, limits));
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const Value& value = graph.values[node.outputs[i]];
      if (value.type != expected[i].first || value.dims != expected[i].second)
        return Fail(Code::kInternal, "node \"" + node.name + "\" (" + std::string(node.op->type) + "): computes " +
                                         std::string(NameOf(value.type)) + ShapeText(value.dims) + ", but " +
                                         std::string(NameOf(expected[i].first)) + ShapeText(expected[i].second) +
                                         " is counted on");
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Plan>> Plan::Make(Graph graph, const Limits& limits) {
  PUNCTUAL_TRY(CheckShapes(graph, limits));
  std::shared_ptr<Plan> plan(new Plan(std::move(graph)));
  const Graph& of = plan->graph_;
  PlanBuilder builder(of, limits);
  for (const Node& node : of.nodes) PUNCTUAL_TRY(node.op->lower(node, builder));

  // Inputs are there before the first step and stay; outputs stay after the last one.
  const std::size_t end = builder.steps_.size();
  for (const ValueId id : of.inputs) {
    plan->inputs_.push_back(builder.OperandOf(id));
    builder.Use(builder.TenantOf(id), 0);
    builder.Use(builder.TenantOf(id), end);
  }
  for (const ValueId id : of.outputs) {
    plan->outputs_.push_back(builder.OperandOf(id));
    if (!plan->outputs_.back().is_constant()) builder.Use(builder.TenantOf(id), end);
  }
  const ArenaLayout layout = LayOut(builder.tenants_);
  if (layout.bytes > limits.max_arena_bytes)
    return Fail(Code::kInvalidArgument, "its values take " + std::to_string(layout.bytes) +
                                            " bytes at once, more than " + std::to_string(limits.max_arena_bytes));
  for (std::size_t i = 0; i < layout.offsets.size(); ++i) builder.offsets_[i] = layout.offsets[i];
  plan->arena_bytes_ = layout.bytes;
  plan->steps_ = std::move(builder.steps_);
  plan->offsets_ = std::move(builder.offsets_);  // a deque's elements stay where they are
  plan->kept_ = std::move(builder.kept_);
  return std::shared_ptr<const Plan>(std::move(plan));
}

std::span<std::byte> Plan::input(std::size_t i, Arena& arena) const {
  return {inputs_[i].Out<std::byte>(arena.data()), BytesOf(graph_.values[graph_.inputs[i]])};
}

std::span<const std::byte> Plan::output(std::size_t i, const Arena& arena) const {
  return {outputs_[i].In<std::byte>(arena.data()), BytesOf(graph_.values[graph_.outputs[i]])};
}

}  // namespace punctual::native
