// What the passes over layers share: kinds of operators, and constants seen another way.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native {

using Permutation = std::vector<std::int64_t>;  // as Transpose's: dimension i of the result is dimension perm[i]

bool IsIdentity(const Permutation& perm);
Permutation Inverse(const Permutation& perm);
Dims Permuted(const Dims& dims, const Permutation& perm);
// Whether a value of shape `dims` stays as it is in memory: only dimensions of one place move.
bool MovesNothing(const Dims& dims, const Permutation& perm);

// Transpose(constant, perm).
std::shared_ptr<const Constant> Permuted(const Constant& constant, const Permutation& perm);
// Gather(constant, indices, axis).
std::shared_ptr<const Constant> Taken(const Constant& constant, std::size_t axis,
                                      const std::vector<std::int64_t>& indices);
std::shared_ptr<const Constant> IntsOf(const std::vector<std::int64_t>& values);

// ONNX's own operator of that type.
bool Is(const Node& node, std::string_view type);
// One of the passes'.
bool IsInternal(const Node& node, std::string_view type);
// Its operator is, and it has one output.
bool IsElementwise(const Node& node);
// QuantizeLinear, DequantizeLinear: elementwise too, where one scale is all numbers'.
bool IsCoding(const Node& node);

// The axes of Squeeze and Unsqueeze, of a value with `rank` dimensions (Unsqueeze: with the new ones), ascending;
// of an attribute or a constant input. False: they are not known.
bool AxesOf(const Graph& graph, const Node& node, std::size_t rank, std::vector<std::int64_t>& axes);

// A node of ONNX's own operators, as of opset 13.
Node NewNode(std::string_view type, std::string name, std::vector<ValueId> inputs, std::vector<ValueId> outputs);
ValueId AddConstant(Graph& graph, std::string name, std::shared_ptr<const Constant> constant);

// Appends a node that gives `to` the numbers of `from`, whose order is the same, in the shape that `to` has.
void AppendReshape(Graph& graph, ValueId from, ValueId to, std::vector<Node>& nodes);

}  // namespace punctual::native
