// Collects the steps of a plan. Operators' lower functions are given one.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "backend/native/graph/graph.h"
#include "backend/native/plan/arena.h"
#include "backend/native/plan/step.h"
#include "punctual/result.h"

namespace punctual::native {

class PlanBuilder {
 public:
  // `graph` outlives the builder and the steps it collects: they refer to its constants.
  PlanBuilder(const Graph& graph, const Limits& limits);

  const Graph& graph() const { return graph_; }
  // REQUIRES: id is not kNoValue.
  const Value& value(ValueId id) const { return graph_.values[id]; }
  // Whether a node reads it, or it is an output.
  bool IsRead(ValueId id) const { return is_read_[id]; }

  // Where a value is while the plan runs. Constants stand where the graph has them.
  Operand OperandOf(ValueId id);
  // Room of a step's own, while its step runs.
  Operand Scratch(std::size_t bytes);
  // `alias` is the same bytes as `of` (Reshape and its like): no step, no copy. REQUIRES: equal size in bytes, and no
  // operand of `alias` has been asked for.
  void Alias(ValueId alias, ValueId of);
  // Keeps bytes that steps refer to (packed weights, indices) as long as the plan; 64-byte aligned, zero-filled, and
  // 64 further bytes after their end may be read. kInvalidArgument: it would be more than the limits allow.
  Result<std::byte*> Keep(std::size_t bytes);
  template <class T>
  Result<std::span<T>> KeepMany(std::size_t count) {
    PUNCTUAL_ASSIGN(std::byte* const bytes, Keep(count * sizeof(T)));
    return std::span<T>(reinterpret_cast<T*>(bytes), count);
  }

  // `reads`, `writes`: what the step uses, so that the arena can give room away in between; kNoValue is skipped.
  // Scratch taken since the last Add belongs to this step.
  void Add(std::unique_ptr<Step> step, std::span<const ValueId> reads, std::span<const ValueId> writes);
  template <class S, class... Args>
  void Add(const Node& node, Args&&... args) {
    Add(std::make_unique<S>(std::forward<Args>(args)...), node.inputs, node.outputs);
  }

 private:
  friend class Plan;
  // Of a value in the arena: its tenant; aliases have the same.
  std::size_t TenantOf(ValueId id);
  std::size_t NewTenant(std::size_t bytes);
  void Use(std::size_t tenant, std::size_t step);

  const Graph& graph_;
  const Limits limits_;
  std::vector<bool> is_read_;  // by value
  std::size_t kept_bytes_ = 0;
  std::vector<ValueId> same_as_;        // for each value, itself or what it is an alias of
  std::vector<std::size_t> tenant_of_;  // by value; SIZE_MAX: none yet
  std::vector<Tenant> tenants_;
  std::vector<bool> used_;            // by tenant
  std::deque<std::size_t> offsets_;   // by tenant; operands point into it
  std::vector<std::size_t> scratch_;  // tenants of the step that comes next
  std::vector<std::unique_ptr<Constant>> kept_;
  std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace punctual::native
