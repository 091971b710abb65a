// A plan: the steps that compute a graph, and where each value stands meanwhile.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "backend/native/graph/graph.h"
#include "backend/native/plan/step.h"
#include "punctual/result.h"

namespace punctual::native {

// The bytes that one session computes in.
class Arena {
 public:
  // Zero-filled.
  explicit Arena(std::size_t bytes) : bytes_(ElementType::kUint8, {static_cast<std::int64_t>(bytes)}) {}
  std::byte* data() { return bytes_.mutable_bytes().data(); }
  const std::byte* data() const { return bytes_.bytes().data(); }

 private:
  Constant bytes_;
};

// Immutable; may be run by many threads at once, each with an arena of its own.
class Plan {
 public:
  // Lowers the nodes as they stand: passes have been over the graph before. kFailedPrecondition: an operator cannot be
  // lowered; kInvalidArgument: the arena, or what steps keep, would pass the limit; kInternal: a value has not the type
  // and shape that its node computes, so that a pass was wrong.
  static Result<std::shared_ptr<const Plan>> Make(Graph graph, const Limits& limits = {});

  std::size_t arena_bytes() const { return arena_bytes_; }
  std::size_t step_count() const { return steps_.size(); }
  const Graph& graph() const { return graph_; }

  // Where input / output i of the graph stands. Inputs keep their bytes while the plan runs, and outputs after it.
  std::span<std::byte> input(std::size_t i, Arena& arena) const;
  std::span<const std::byte> output(std::size_t i, const Arena& arena) const;

  void Run(Arena& arena) const {
    for (const auto& step : steps_) step->Run(arena.data());
  }

 private:
  explicit Plan(Graph graph) : graph_(std::move(graph)) {}

  const Graph graph_;  // its constants are read by steps
  std::vector<std::unique_ptr<Step>> steps_;
  std::deque<std::size_t> offsets_;  // operands point into it
  std::vector<std::unique_ptr<Constant>> kept_;
  std::vector<Operand> inputs_, outputs_;
  std::size_t arena_bytes_ = 0;
};

}  // namespace punctual::native
