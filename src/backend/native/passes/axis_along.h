// Nodes that compute positions along an axis from the same positions of their inputs, whatever stands beside them.
// `dims`: the shapes of all values, by id.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native {

// Whether the node is one of them, for an axis of its (first) output.
bool GoesAlong(const std::vector<Dims>& dims, const Node& node, std::size_t axis);

// Where that axis stands in an input; empty: each position needs all of that input. REQUIRES: GoesAlong, or the node
// is a Reshape or its like.
std::optional<std::size_t> AxisIn(const std::vector<Dims>& dims, const Node& node, std::size_t input, std::size_t axis);

// Reshape, Squeeze, Unsqueeze, Flatten.
bool IsReshape(const Node& node);

}  // namespace punctual::native
