// For tests of passes: graphs made node by node, and what they compute.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native::test {

class GraphForTest {
 public:
  ValueId Input(Dims dims);
  ValueId Weights(Dims dims, float scale = 0.3f);  // random
  // What DequantizeLinear makes of random int8 codes with one scale.
  ValueId CodedWeights(Dims dims);
  // What DequantizeLinear makes of the codes that QuantizeLinear makes of a value.
  ValueId Coded(ValueId x, float scale = 0.05f, std::uint8_t zero_point = 120);
  ValueId Ints(const std::vector<std::int64_t>& values);
  ValueId Scalar(std::int64_t value);
  // One of ONNX's own operators of opset 17, with one output.
  ValueId Add(std::string_view type, std::vector<ValueId> inputs, Attributes attributes = {});
  void Output(ValueId id) { graph.outputs.push_back(id); }

  // How many nodes compute with that operator.
  std::size_t Count(std::string_view type) const;

  Graph graph;

 private:
  template <class T>
  ValueId Numbers(Dims dims, const std::vector<T>& values);

  std::mt19937 random_{21};
};

// The outputs for random inputs, always the same ones, one after the other.
std::vector<float> Compute(const Graph& graph);

}  // namespace punctual::native::test
