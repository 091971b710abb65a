// Whole numbers that an operator takes as an input: axes, starts, sizes.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native {

// REQUIRES: int32 or int64, as InferContext::ConstantInts checks.
inline std::vector<std::int64_t> IntsOf(const Constant& constant) {
  if (constant.type() == ElementType::kInt32) {
    const auto values = constant.values<std::int32_t>();
    return {values.begin(), values.end()};
  }
  const auto values = constant.values<std::int64_t>();
  return {values.begin(), values.end()};
}

}  // namespace punctual::native
