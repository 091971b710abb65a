// How two answers to one question differ.
#pragma once

#include "punctual/outputs.h"

namespace punctual {

struct Difference {
  bool argmax = false;  // another place of the last axis has the greatest value, in one of the rows at least
  // Between two numbers, absolute. Infinite where one is not a number, and of answers of another kind: other names,
  // types or shapes.
  double largest = 0;
  double scale = 0;  // of the first one's numbers the largest, absolute
};

// Thread-safe.
Difference Compare(const OutputView& a, const OutputView& b);
// Of all outputs.
Difference Compare(const Outputs& a, const Outputs& b);

}  // namespace punctual
