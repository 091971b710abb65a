// Types and shapes of all values of a graph, from those of its inputs and constants.
#pragma once

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native {

// Of the outputs of one node, from its inputs. Errors are those of its operator; kFailedPrecondition too if it has an
// attribute or an output that its operator does not know, kInvalidArgument if an attribute is of another kind.
Result<void> InferNode(Graph& graph, const Node& node, const Limits& limits);

// Goes through the nodes in order. What is constant is computed on the way, so that shapes which a file calculates are
// known; the nodes stay (DropUnused). Errors are those of InferNode; kInvalidArgument too if the constants that are
// computed, or those that nodes read, take more than max_kept_bytes.
Result<void> Infer(Graph& graph, const Limits& limits);

}  // namespace punctual::native
