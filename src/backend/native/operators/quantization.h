// What QuantizeLinear and DequantizeLinear say of codes, for those who compute with codes instead of numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native {

// number = (code - zero_point) * scale: one pair for all codes, or one for each index along `axis`.
struct LinearCodes {
  ElementType type = ElementType::kUint8;  // of the codes: uint8 or int8, or int32 (DequantizeLinear alone)
  std::vector<float> scales;
  std::vector<std::int32_t> zero_points;  // as many
  std::size_t axis = 0;

  bool is_per_tensor() const { return scales.size() == 1; }
};

// REQUIRES: `node` is a QuantizeLinear or a DequantizeLinear that was inferred.
LinearCodes LinearCodesOf(const Graph& graph, const Node& node);

// Least and greatest code.
constexpr std::int32_t LeastCode(ElementType type) { return type == ElementType::kInt8 ? -128 : 0; }
constexpr std::int32_t MostCode(ElementType type) { return type == ElementType::kInt8 ? 127 : 255; }

}  // namespace punctual::native
