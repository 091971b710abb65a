// Arithmetic of two arrays, number by number, with broadcasting.
//
// Nothing is written beyond the outputs; inputs are read up to a vector beyond their ends. The output may be one of the
// inputs, if that is not repeated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/native/kernels/broadcast.h"

namespace punctual::native {

enum class BinaryFunction : std::uint8_t { kAdd, kSub, kMul, kDiv, kMin, kMax, kPow };

// Min and max of NaN and a number are NaN. Integers overflow by wrapping around, and divided by zero are zero; they
// have no kPow.
void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const float* a, const float* b, float* out);
void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const double* a, const double* b,
                   double* out);
void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const std::int32_t* a, const std::int32_t* b,
                   std::int32_t* out);
void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const std::int64_t* a, const std::int64_t* b,
                   std::int64_t* out);

}  // namespace punctual::native
