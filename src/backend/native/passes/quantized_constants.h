// What passes/fuse_quantized.cc reads of a graph's constants: codes of weights, numbers of biases.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native::quantized {

// ONNX's own operator of that type.
bool Is(const Node& node, std::string_view type);

template <class T>
ValueId AddConstant(Graph& graph, std::string name, Dims dims, const std::vector<T>& values) {
  auto constant = std::make_shared<Constant>(kElementType<T>, dims);
  std::copy(values.begin(), values.end(), constant->template mutable_values<T>().begin());
  return graph.Add({std::move(name), kElementType<T>, std::move(dims), std::move(constant)});
}

// Weights as codes, their zero points taken off.
struct Weights {
  std::vector<std::int8_t> codes;  // [channels][products]
  std::vector<float> scales;       // by channel
};

class Constants {
 public:
  // `graph` outlives this; nodes may be replaced meanwhile by others that compute the same outputs.
  explicit Constants(const Graph& graph) : graph_(graph), producers_(graph.Producers()) {}

  // The node of that type that computes the value; null: none does.
  const Node* Producer(ValueId id, std::string_view type) const;

  // Of what DequantizeLinear makes of constant codes (nothing: it is another thing, or does not fit int8). A matrix
  // stands as [channels, depth] (`channels_first`) or as [depth, channels], perhaps behind a Transpose; products:
  // depth.
  std::optional<Weights> Matrix(ValueId id, bool channels_first) const;
  // A kernel stands as [channels, depth, places...]; products: [places][depth].
  std::optional<Weights> Kernel(ValueId id) const;

  // A number for each channel, of a constant, or of what DequantizeLinear makes of one, that is broadcast along rows.
  std::optional<std::vector<double>> NumberOfEach(ValueId id, std::size_t channels) const;

 private:
  std::optional<Weights> Read(ValueId id, std::size_t channel_axis) const;

  const Graph& graph_;
  const std::vector<std::size_t> producers_;
};

}  // namespace punctual::native::quantized
