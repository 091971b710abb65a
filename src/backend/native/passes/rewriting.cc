#include "backend/native/passes/rewriting.h"

#include <algorithm>
#include <cstring>

#include "backend/native/operators/operator.h"

namespace punctual::native {

bool IsIdentity(const Permutation& perm) {
  for (std::size_t i = 0; i < perm.size(); ++i)
    if (perm[i] != static_cast<std::int64_t>(i)) return false;
  return true;
}

Permutation Inverse(const Permutation& perm) {
  Permutation inverse(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i)
    inverse[static_cast<std::size_t>(perm[i])] = static_cast<std::int64_t>(i);
  return inverse;
}

Dims Permuted(const Dims& dims, const Permutation& perm) {
  Dims permuted;
  for (const std::int64_t from : perm) permuted.push_back(dims[static_cast<std::size_t>(from)]);
  return permuted;
}

bool MovesNothing(const Dims& dims, const Permutation& perm) {
  std::int64_t last = -1;
  for (const std::int64_t from : perm) {
    if (dims[static_cast<std::size_t>(from)] == 1) continue;
    if (from < last) return false;
    last = from;
  }
  return true;
}

std::shared_ptr<const Constant> Permuted(const Constant& constant, const Permutation& perm) {
  auto permuted = std::make_shared<Constant>(constant.type(), Permuted(constant.dims(), perm));
  const std::size_t rank = perm.size();
  const std::size_t size = SizeOf(constant.type());
  std::vector<std::size_t> strides(rank, 1);
  for (std::size_t axis = rank; axis-- > 1;)
    strides[axis - 1] = strides[axis] * static_cast<std::size_t>(constant.dims()[axis]);
  for (std::size_t i = 0; i < permuted->count(); ++i) {
    std::size_t rest = i, from = 0;
    for (std::size_t axis = rank; axis-- > 0;) {
      const auto places = static_cast<std::size_t>(permuted->dims()[axis]);
      from += rest % places * strides[static_cast<std::size_t>(perm[axis])];
      rest /= places;
    }
    std::memcpy(permuted->mutable_bytes().data() + i * size, constant.bytes().data() + from * size, size);
  }
  return permuted;
}

std::shared_ptr<const Constant> Taken(const Constant& constant, std::size_t axis,
                                      const std::vector<std::int64_t>& indices) {
  Dims dims = constant.dims();
  const auto length = static_cast<std::size_t>(dims[axis]);
  std::size_t inner = SizeOf(constant.type());
  for (std::size_t i = axis + 1; i < dims.size(); ++i) inner *= static_cast<std::size_t>(dims[i]);
  dims[axis] = static_cast<std::int64_t>(indices.size());
  auto taken = std::make_shared<Constant>(constant.type(), std::move(dims));
  if (taken->count() == 0) return taken;
  const std::size_t outer = constant.bytes().size() / (length * inner);
  std::byte* to = taken->mutable_bytes().data();
  for (std::size_t o = 0; o < outer; ++o)
    for (const std::int64_t index : indices) {
      std::memcpy(to, constant.bytes().data() + (o * length + static_cast<std::size_t>(index)) * inner, inner);
      to += inner;
    }
  return taken;
}

std::shared_ptr<const Constant> IntsOf(const std::vector<std::int64_t>& values) {
  auto ints = std::make_shared<Constant>(ElementType::kInt64, Dims{static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), ints->mutable_values<std::int64_t>().begin());
  return ints;
}

bool Is(const Node& node, std::string_view type) { return node.op->domain.empty() && node.op->type == type; }

bool IsInternal(const Node& node, std::string_view type) {
  return node.op->domain == "punctual" && node.op->type == type;
}

bool IsElementwise(const Node& node) {
  return node.op->is_elementwise && (node.outputs.size() == 1 || node.output(1) == kNoValue);
}

bool IsCoding(const Node& node) { return Is(node, "QuantizeLinear") || Is(node, "DequantizeLinear"); }

bool AxesOf(const Graph& graph, const Node& node, std::size_t rank, std::vector<std::int64_t>& axes) {
  axes.clear();
  if (const auto* const attribute = node.Ints("axes"); attribute != nullptr) {
    axes = *attribute;
  } else if (const ValueId input = node.input(1); input != kNoValue) {
    const auto& constant = graph.values[input].constant;
    if (constant == nullptr || constant->type() != ElementType::kInt64) return false;
    const auto values = constant->values<std::int64_t>();
    axes.assign(values.begin(), values.end());
  } else {
    const Dims& dims = graph.values[node.inputs[0]].dims;
    for (std::size_t i = 0; i < dims.size(); ++i)
      if (dims[i] == 1) axes.push_back(static_cast<std::int64_t>(i));
  }
  for (std::int64_t& axis : axes) axis += axis < 0 ? static_cast<std::int64_t>(rank) : 0;
  std::sort(axes.begin(), axes.end());
  return true;
}

Node NewNode(std::string_view type, std::string name, std::vector<ValueId> inputs, std::vector<ValueId> outputs) {
  constexpr int kOpset = 13;
  Node node;
  node.op = FindOperator("", type, kOpset);
  node.name = std::move(name);
  node.opset = kOpset;
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  return node;
}

ValueId AddConstant(Graph& graph, std::string name, std::shared_ptr<const Constant> constant) {
  const ElementType type = constant->type();
  Dims dims = constant->dims();
  return graph.Add({std::move(name), type, std::move(dims), std::move(constant)});
}

void AppendReshape(Graph& graph, ValueId from, ValueId to, std::vector<Node>& nodes) {
  const std::string name = graph.values[to].name;
  const ValueId shape = AddConstant(graph, name + ".shape", IntsOf(graph.values[to].dims));
  nodes.push_back(NewNode("Reshape", name, {from, shape}, {to}));
}

}  // namespace punctual::native
