// ONNX models with seeded random weights: what benchmarks and tests compute. Not thread-safe.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/onnx_graph.h"

namespace punctual {

class RandomOnnxGraph : public OnnxGraph {
 public:
  using OnnxGraph::OnnxGraph;

  // Between -bound and bound.
  std::string Random(const OnnxDims& dims, float bound) {
    std::size_t count = 1;
    for (const std::int64_t dimension : dims) count *= static_cast<std::size_t>(dimension);
    std::vector<float> values(count);
    for (float& value : values) value = bound * Uniform();
    return Floats(dims, values);
  }
  // Weights after which numbers are as large as before, with `fan_in` of them in each sum and Relu's like behind it.
  std::string Weights(const OnnxDims& dims, std::int64_t fan_in) {
    return Random(dims, std::sqrt(6.0f / static_cast<float>(fan_in)));
  }
  std::string Bias(std::int64_t count) { return Random({count}, 0.1f); }

  // In [-1, 1).
  float Uniform() { return static_cast<float>(random_()) / 2147483648.0f - 1.0f; }
  std::uint32_t Below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_()) % bound; }

 private:
  std::mt19937 random_{7};
};

}  // namespace punctual
