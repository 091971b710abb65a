// What a Slice takes, for those who do the same another way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native {

// Along one axis: the elements start, start + step, ..., `count` of them. Where count > 0, all are within the axis.
struct SliceRange {
  std::size_t axis = 0;
  std::int64_t start = 0, step = 1, count = 0;
};

// For each axis that the node names, of an input of shape `dims`. `values`: of the graph. REQUIRES: it was inferred.
std::vector<SliceRange> SliceRangesOf(const Node& node, const std::vector<Value>& values, const Dims& dims);

}  // namespace punctual::native
