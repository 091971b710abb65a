#include "backend/native/passes/axis_along.h"

#include "backend/native/passes/rewriting.h"

namespace punctual::native {

namespace {

// Of Reshape and its like, where they only add and take away dimensions of one place.
std::optional<std::size_t> AxisOfSameOrder(const Dims& from, const Dims& to, std::size_t axis) {
  std::size_t i = 0;
  std::optional<std::size_t> found;
  for (std::size_t j = 0; j < to.size(); ++j) {
    if (to[j] == 1) continue;
    while (i < from.size() && from[i] == 1) ++i;
    if (i == from.size() || from[i] != to[j]) return std::nullopt;
    if (j == axis) found = i;
    ++i;
  }
  while (i < from.size() && from[i] == 1) ++i;
  return i == from.size() ? found : std::nullopt;
}

bool HasOneScale(const std::vector<Dims>& dims, const Node& node) {
  return IsCoding(node) && CountOf(dims[node.inputs[1]]) == 1;
}

bool IsDense(const Node& node) { return IsInternal(node, "Dense") || IsInternal(node, "QuantizedGemm"); }

}  // namespace

std::optional<std::size_t> AxisIn(const std::vector<Dims>& dims, const Node& node, std::size_t input,
                                  std::size_t axis) {
  const ValueId x = node.inputs[input], y = node.outputs[0];
  const Dims& from = dims[x];
  const Dims& to = dims[y];
  if (IsElementwise(node)) {
    if (from.size() + axis < to.size()) return std::nullopt;
    const std::size_t own = from.size() + axis - to.size();
    if (from[own] != to[axis]) return std::nullopt;
    return own;
  }
  if (Is(node, "Concat")) return axis;
  const bool adds_residual = IsInternal(node, "Dense") && input == 3;
  if (IsDense(node) || IsCoding(node)) return input == 0 || adds_residual ? std::optional(axis) : std::nullopt;
  if (Is(node, "Transpose") && input == 0) {
    if (const auto* const perm = node.Ints("perm"); perm != nullptr) return static_cast<std::size_t>((*perm)[axis]);
    return to.size() - 1 - axis;
  }
  if (input == 0) return AxisOfSameOrder(from, to, axis);
  return std::nullopt;
}

bool IsReshape(const Node& node) {
  return Is(node, "Reshape") || Is(node, "Squeeze") || Is(node, "Unsqueeze") || Is(node, "Flatten");
}

bool GoesAlong(const std::vector<Dims>& dims, const Node& node, std::size_t axis) {
  const Dims& to = dims[node.outputs[0]];
  if (IsElementwise(node) || HasOneScale(dims, node)) return true;
  if (Is(node, "Concat")) {
    const std::int64_t own = node.Int("axis", 0);
    return own + (own < 0 ? static_cast<std::int64_t>(to.size()) : 0) != static_cast<std::int64_t>(axis);
  }
  if (IsDense(node)) return axis + 1 != to.size();
  if (Is(node, "Transpose")) return true;
  return IsReshape(node) && to[axis] != 1 && AxisIn(dims, node, 0, axis).has_value();
}

}  // namespace punctual::native
