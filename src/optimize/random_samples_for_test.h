// Normally distributed questions for models of one input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "optimize/samples.h"

namespace punctual::test {

using optimize::Samples;

// `values`: of all samples, one after the other.
inline Samples SamplesOf(const std::string& input, Shape shape, const std::vector<float>& values) {
  Samples samples;
  std::size_t each = 1;
  for (const std::int64_t dimension : shape) each *= static_cast<std::size_t>(dimension);
  samples.inputs = {{input, DType::kFloat32, std::move(shape)}};
  samples.values.resize(1);
  samples.values[0].resize(values.size() * sizeof(float));
  std::memcpy(samples.values[0].data(), values.data(), samples.values[0].size());
  samples.time_ns.resize(values.size() / each);
  std::iota(samples.time_ns.begin(), samples.time_ns.end(), 0);
  samples.symbol.assign(samples.time_ns.size(), 0);
  samples.symbols = {""};
  return samples;
}

inline Samples RandomSamples(const std::string& input, Shape shape, std::size_t count, std::uint32_t seed = 1) {
  std::size_t numbers = count;
  for (const std::int64_t dimension : shape) numbers *= static_cast<std::size_t>(dimension);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(numbers);
  for (float& value : values) value = normal(random);
  return SamplesOf(input, std::move(shape), values);
}

inline std::vector<std::size_t> All(const Samples& samples) {
  std::vector<std::size_t> indices(samples.count());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return indices;
}

}  // namespace punctual::test
