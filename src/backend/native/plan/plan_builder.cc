#include "backend/native/plan/plan_builder.h"

#include <algorithm>
#include <numeric>
#include <string>

namespace punctual::native {

PlanBuilder::PlanBuilder(const Graph& graph, const Limits& limits)
    : graph_(graph),
      limits_(limits),
      is_read_(graph.values.size(), false),
      same_as_(graph.values.size()),
      tenant_of_(graph.values.size(), SIZE_MAX) {
  std::iota(same_as_.begin(), same_as_.end(), ValueId{0});
  for (const Node& node : graph.nodes)
    for (const ValueId input : node.inputs)
      if (input != kNoValue) is_read_[input] = true;
  for (const ValueId output : graph.outputs) is_read_[output] = true;
}

std::size_t PlanBuilder::NewTenant(std::size_t bytes) {
  tenants_.push_back({bytes, 0, 0});
  used_.push_back(false);
  offsets_.push_back(0);
  return tenants_.size() - 1;
}

std::size_t PlanBuilder::TenantOf(ValueId id) {
  const ValueId root = same_as_[id];
  if (tenant_of_[root] == SIZE_MAX) {
    const Value& value = graph_.values[root];
    tenant_of_[root] = NewTenant(CountOf(value.dims) * SizeOf(value.type));
  }
  return tenant_of_[root];
}

Operand PlanBuilder::OperandOf(ValueId id) {
  if (const auto& constant = graph_.values[same_as_[id]].constant; constant != nullptr)
    return Operand::Constant(constant->bytes().data());
  return Operand::InArena(&offsets_[TenantOf(id)]);
}

Operand PlanBuilder::Scratch(std::size_t bytes) {
  scratch_.push_back(NewTenant(bytes));
  return Operand::InArena(&offsets_[scratch_.back()]);
}

void PlanBuilder::Alias(ValueId alias, ValueId of) { same_as_[alias] = same_as_[of]; }

Result<std::byte*> PlanBuilder::Keep(std::size_t bytes) {
  if (bytes > limits_.max_kept_bytes - kept_bytes_)
    return Fail(Code::kInvalidArgument,
                "its packed weights and tables take more than " + std::to_string(limits_.max_kept_bytes) + " bytes");
  kept_bytes_ += bytes;
  kept_.push_back(std::make_unique<Constant>(ElementType::kUint8, Dims{static_cast<std::int64_t>(bytes)}));
  return kept_.back()->mutable_bytes().data();
}

void PlanBuilder::Use(std::size_t tenant, std::size_t step) {
  Tenant& used = tenants_[tenant];
  used.first = used_[tenant] ? std::min(used.first, step) : step;
  used.last = used_[tenant] ? std::max(used.last, step) : step;
  used_[tenant] = true;
}

void PlanBuilder::Add(std::unique_ptr<Step> step, std::span<const ValueId> reads, std::span<const ValueId> writes) {
  const std::size_t number = steps_.size();
  for (const auto& ids : {reads, writes})
    for (const ValueId id : ids)
      if (id != kNoValue && graph_.values[same_as_[id]].constant == nullptr) Use(TenantOf(id), number);
  for (const std::size_t tenant : scratch_) Use(tenant, number);
  scratch_.clear();
  steps_.push_back(std::move(step));
}

}  // namespace punctual::native
