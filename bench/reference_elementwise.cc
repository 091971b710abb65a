// The operators that compute number by number, and those that only arrange numbers.
#include <algorithm>
#include <cmath>

#include "reference.h"

namespace punctual {

namespace {

using Outputs = std::vector<DoubleTensor>;

template <class Function>
ReferenceOperator Unary(Function function) {
  return [function](const ReferenceNode& node) {
    DoubleTensor result = node[0];
    for (double& value : result.values) value = function(value, node);
    return Outputs{std::move(result)};
  };
}

// Where in a tensor of `dims` the element of a broadcast result stands that has the `index`.
std::int64_t BroadcastIndex(std::int64_t index, const DoubleTensor& result, const DoubleTensor& from) {
  std::int64_t at = 0, stride = 1;
  for (std::int64_t i = 1; i <= result.rank(); ++i) {
    const std::int64_t size = result.dims[static_cast<std::size_t>(result.rank() - i)];
    if (i <= from.rank()) {
      const std::int64_t own = from.dims[static_cast<std::size_t>(from.rank() - i)];
      if (own != 1) at += index % size * stride;
      stride *= own;
    }
    index /= size;
  }
  return at;
}

template <class Function>
ReferenceOperator Binary(Function function) {
  return [function](const ReferenceNode& node) {
    const DoubleTensor &a = node[0], &b = node[1];
    const std::int64_t rank = std::max(a.rank(), b.rank());
    std::vector<std::int64_t> dims(static_cast<std::size_t>(rank), 1);
    for (const DoubleTensor* one : {&a, &b})
      for (std::int64_t i = 1; i <= one->rank(); ++i) {
        std::int64_t& size = dims[static_cast<std::size_t>(rank - i)];
        size = std::max(size, one->dims[static_cast<std::size_t>(one->rank() - i)]);
      }
    DoubleTensor result(dims);
    for (std::size_t i = 0; i < result.values.size(); ++i) {
      const auto index = static_cast<std::int64_t>(i);
      result.values[i] = function(a.values[static_cast<std::size_t>(BroadcastIndex(index, result, a))],
                                  b.values[static_cast<std::size_t>(BroadcastIndex(index, result, b))]);
    }
    return Outputs{std::move(result)};
  };
}

// The same numbers in the same order.
Outputs Reshaped(const ReferenceNode& node, std::vector<std::int64_t> dims) {
  DoubleTensor result = node[0];
  std::int64_t known = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0) dims[i] = result.dims[i];
    if (dims[i] > 0) known *= dims[i];
  }
  for (std::int64_t& size : dims)
    if (size < 0) size = static_cast<std::int64_t>(result.values.size()) / known;
  result.dims = dims;
  return {std::move(result)};
}

Outputs Squeeze(const ReferenceNode& node) {
  std::vector<std::int64_t> axes = node.Numbers(1, "axes"), dims;
  for (std::int64_t& axis : axes) axis = node[0].Axis(axis);
  for (std::int64_t i = 0; i < node[0].rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) dims.push_back(node[0].dims[static_cast<std::size_t>(i)]);
  return Reshaped(node, dims);
}

Outputs Unsqueeze(const ReferenceNode& node) {
  std::vector<std::int64_t> axes = node.Numbers(1, "axes"), dims = node[0].dims;
  std::sort(axes.begin(), axes.end());
  for (const std::int64_t axis : axes) dims.insert(dims.begin() + axis, 1);
  return Reshaped(node, dims);
}

Outputs Flatten(const ReferenceNode& node) {
  const std::int64_t axis = node[0].Axis(node.Int("axis", 1));
  return Reshaped(node, {node[0].Span(0, axis), node[0].Span(axis, node[0].rank())});
}

Outputs Transpose(const ReferenceNode& node) {
  const DoubleTensor& x = node[0];
  const std::vector<std::int64_t> order = node.Ints("perm");
  std::vector<std::int64_t> dims, strides;
  for (const std::int64_t axis : order) {
    dims.push_back(x.dims[static_cast<std::size_t>(axis)]);
    strides.push_back(x.Span(axis + 1, x.rank()));
  }
  DoubleTensor result(dims);
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    std::int64_t rest = static_cast<std::int64_t>(i), from = 0;
    for (std::size_t axis = dims.size(); axis-- > 0; rest /= dims[axis]) from += rest % dims[axis] * strides[axis];
    result.values[i] = x.values[static_cast<std::size_t>(from)];
  }
  return {std::move(result)};
}

Outputs Concat(const ReferenceNode& node) {
  const std::int64_t axis = node[0].Axis(node.Int("axis", 0)), before = node[0].Span(0, axis);
  std::vector<std::int64_t> dims = node[0].dims;
  dims[static_cast<std::size_t>(axis)] = 0;
  for (const DoubleTensor* part : node.inputs)
    dims[static_cast<std::size_t>(axis)] += part->dims[static_cast<std::size_t>(axis)];
  DoubleTensor result;
  result.dims = dims;
  for (std::int64_t i = 0; i < before; ++i)
    for (const DoubleTensor* part : node.inputs) {
      const std::int64_t row = part->Span(axis, part->rank());
      const auto first = part->values.begin() + i * row;
      result.values.insert(result.values.end(), first, first + row);
    }
  return {std::move(result)};
}

Outputs Gather(const ReferenceNode& node) {
  const DoubleTensor &x = node[0], &indices = node[1];
  const std::int64_t axis = x.Axis(node.Int("axis", 0)), row = x.Span(axis + 1, x.rank());
  const std::int64_t size = x.dims[static_cast<std::size_t>(axis)];
  DoubleTensor result;
  result.dims.assign(x.dims.begin(), x.dims.begin() + axis);
  result.dims.insert(result.dims.end(), indices.dims.begin(), indices.dims.end());
  result.dims.insert(result.dims.end(), x.dims.begin() + axis + 1, x.dims.end());
  for (std::int64_t i = 0; i < x.Span(0, axis); ++i)
    for (const double index : indices.values) {
      const std::int64_t at = static_cast<std::int64_t>(index) + (index < 0 ? size : 0);
      const auto first = x.values.begin() + (i * size + at) * row;
      result.values.insert(result.values.end(), first, first + row);
    }
  return {std::move(result)};
}

// The element of a scale or zero point for element i of x, along `axis` or one for all.
double Of(const DoubleTensor& parameter, const DoubleTensor& x, std::int64_t axis, std::size_t i) {
  if (parameter.values.size() == 1) return parameter.values[0];
  const auto row = static_cast<std::size_t>(x.Span(axis + 1, x.rank()));
  return parameter.values[i / row % parameter.values.size()];
}

Outputs QuantizeLinear(const ReferenceNode& node) {
  DoubleTensor result = node[0];
  const std::int64_t axis = result.Axis(node.Int("axis", 1));
  const bool is_signed = node.Has(2) && node.types[2] == onnx::TensorProto::INT8;
  const double low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    const double zero = node.Has(2) ? Of(node[2], result, axis, i) : 0;
    // Halves go to the even number, as ONNX says (and the default rounding does).
    result.values[i] = std::clamp(std::nearbyint(result.values[i] / Of(node[1], result, axis, i)) + zero, low, high);
  }
  return {std::move(result)};
}

Outputs DequantizeLinear(const ReferenceNode& node) {
  DoubleTensor result = node[0];
  const std::int64_t axis = result.Axis(node.Int("axis", 1));
  for (std::size_t i = 0; i < result.values.size(); ++i)
    result.values[i] =
        (result.values[i] - (node.Has(2) ? Of(node[2], result, axis, i) : 0)) * Of(node[1], result, axis, i);
  return {std::move(result)};
}

}  // namespace

const ReferenceOperators& ElementwiseReference() {
  static const ReferenceOperators all = {
      {"Identity", Unary([](double x, const ReferenceNode&) { return x; })},
      {"Relu", Unary([](double x, const ReferenceNode&) { return std::max(x, 0.0); })},
      {"LeakyRelu",
       Unary([](double x, const ReferenceNode& node) { return x < 0 ? node.Float("alpha", 0.01f) * x : x; })},
      {"Tanh", Unary([](double x, const ReferenceNode&) { return std::tanh(x); })},
      {"Sigmoid", Unary([](double x, const ReferenceNode&) { return 1 / (1 + std::exp(-x)); })},
      {"Erf", Unary([](double x, const ReferenceNode&) { return std::erf(x); })},
      {"Sqrt", Unary([](double x, const ReferenceNode&) { return std::sqrt(x); })},
      {"Exp", Unary([](double x, const ReferenceNode&) { return std::exp(x); })},
      {"Add", Binary([](double a, double b) { return a + b; })},
      {"Sub", Binary([](double a, double b) { return a - b; })},
      {"Mul", Binary([](double a, double b) { return a * b; })},
      {"Div", Binary([](double a, double b) { return a / b; })},
      {"Pow", Binary([](double a, double b) { return std::pow(a, b); })},
      {"QuantizeLinear", QuantizeLinear},
      {"DequantizeLinear", DequantizeLinear},
  };
  return all;
}

const ReferenceOperators& ArrangingReference() {
  static const ReferenceOperators all = {
      {"Reshape", [](const ReferenceNode& node) { return Reshaped(node, node.Numbers(1, "shape")); }},
      {"Squeeze", Squeeze},
      {"Unsqueeze", Unsqueeze},
      {"Flatten", Flatten},
      {"Transpose", Transpose},
      {"Concat", Concat},
      {"Gather", Gather},
  };
  return all;
}

}  // namespace punctual
