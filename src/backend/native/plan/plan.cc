#include "backend/native/plan/plan.h"

#include "backend/native/operators/operator.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

std::size_t BytesOf(const Value& value) { return CountOf(value.dims) * SizeOf(value.type); }

}  // namespace

Result<std::shared_ptr<const Plan>> Plan::Make(Graph graph, const Limits& limits) {
  std::shared_ptr<Plan> plan(new Plan(std::move(graph)));
  const Graph& of = plan->graph_;
  PlanBuilder builder(of);
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
