// Functions of one number, for whole arrays.
//
// Nothing is written beyond the outputs; inputs are read up to a vector beyond their ends. x and y may be the same.
#pragma once

#include <cstddef>
#include <cstdint>

namespace punctual::native {

struct UnaryFunction {
  enum class Kind : std::uint8_t {
    kAbs,
    kNeg,
    kSqrt,
    kReciprocal,
    kExp,
    kLog,
    kErf,
    kRelu,
    kLeakyRelu,  // x < 0 ? alpha x : x
    kClip,       // to [alpha, beta]
    kElu,        // x < 0 ? alpha (e^x - 1) : x
    kSelu,       // beta times that
    kGelu,       // x (1 + erf(x / sqrt 2)) / 2
    kGeluTanh,   // ... approximated by tanh
    kSigmoid,
    kHardSigmoid,  // max(0, min(1, alpha x + beta))
    kTanh,
    kSoftplus,
  };
  Kind kind;
  float alpha = 0, beta = 0;
};

// y = f(x); errors as in vector_math-inl.h. NaN stays NaN.
void ComputeUnary(UnaryFunction function, const float* x, float* y, std::size_t count);
// The first seven and kRelu. Errors as those of the C library.
void ComputeUnary(UnaryFunction function, const double* x, double* y, std::size_t count);

}  // namespace punctual::native
