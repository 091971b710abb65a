// Sums, means and extremes over an axis.
#pragma once

#include <cstddef>
#include <cstdint>

namespace punctual::native {

enum class Reduction : std::uint8_t { kSum, kMax, kMin };

// y [outer][inner] of x [outer][count][inner], over the middle. Nothing is written beyond y; x is read up to a vector
// beyond its end. Of no numbers the sum is zero, and the extremes are those of the type.
void Reduce(Reduction reduction, const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner);
void Reduce(Reduction reduction, const double* x, double* y, std::size_t outer, std::size_t count, std::size_t inner);
void Reduce(Reduction reduction, const std::int32_t* x, std::int32_t* y, std::size_t outer, std::size_t count,
            std::size_t inner);
void Reduce(Reduction reduction, const std::int64_t* x, std::int64_t* y, std::size_t outer, std::size_t count,
            std::size_t inner);

}  // namespace punctual::native
