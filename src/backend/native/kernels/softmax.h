// Softmax and its logarithm over one axis.
#pragma once

#include <cstddef>

namespace punctual::native {

// x and y: [outer][count][inner]; over the middle. With the largest number taken off first, so that nothing overflows.
// Nothing is written beyond y; x is read up to a vector beyond its end. x and y may be the same.
void Softmax(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner);
void LogSoftmax(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner);

}  // namespace punctual::native
