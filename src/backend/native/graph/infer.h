// Types and shapes of all values of a graph, from those of its inputs and constants.
#pragma once

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native {

// Goes through the nodes in order. What is constant is computed on the way, so that shapes which a file calculates are
// known; the nodes stay (DropUnused). Errors are those of the operators; kInvalidArgument too if the constants that
// come out take more room than `limits` leaves a plan; kFailedPrecondition too if a node has an output that its
// operator does not know.
Result<void> Infer(Graph& graph, const Limits& limits);

}  // namespace punctual::native
