#include "backend/native/kernels/binary.h"

#include <cmath>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/binary.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vector = hn::Vec<Tag>;

struct Add {
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Add(a, b); }
};
struct Sub {
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Sub(a, b); }
};
struct Mul {
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Mul(a, b); }
};
struct Div {
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Div(a, b); }
};
struct Min {
  static HWY_INLINE Vector Of(Vector a, Vector b) {
    return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Lt(a, b), a, b));
  }
};
struct Max {
  static HWY_INLINE Vector Of(Vector a, Vector b) {
    return hn::IfThenElse(hn::IsNaN(a), a, hn::IfThenElse(hn::Gt(a, b), a, b));
  }
};

template <class Function, bool kMovesA, bool kMovesB>
HWY_INLINE void RunOne(const float* a, const float* b, float* out, std::size_t count) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  Vector va = hn::Set(d, *a), vb = hn::Set(d, *b);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    if constexpr (kMovesA) va = hn::LoadU(d, a + i);
    if constexpr (kMovesB) vb = hn::LoadU(d, b + i);
    hn::StoreU(Function::Of(va, vb), d, out + i);
  }
  if (i == count) return;
  if constexpr (kMovesA) va = hn::LoadU(d, a + i);
  if constexpr (kMovesB) vb = hn::LoadU(d, b + i);
  hn::BlendedStore(Function::Of(va, vb), hn::FirstN(d, count - i), d, out + i);
}

template <class Function, bool kMovesA, bool kMovesB>
void RunAll(const Broadcasting<2>& shape, const float* a, const float* b, float* out) {
  const std::size_t run = shape.run();
  shape.ForEachRun([=](const std::array<std::size_t, 2>& inputs, std::size_t output) HWY_ATTR {
    RunOne<Function, kMovesA, kMovesB>(a + inputs[0], b + inputs[1], out + output, run);
  });
}

template <class Function>
void RunFunction(const Broadcasting<2>& shape, const float* a, const float* b, float* out) {
  if (shape.moves(0) && shape.moves(1)) return RunAll<Function, true, true>(shape, a, b, out);
  if (shape.moves(0)) return RunAll<Function, true, false>(shape, a, b, out);
  if (shape.moves(1)) return RunAll<Function, false, true>(shape, a, b, out);
  RunAll<Function, false, false>(shape, a, b, out);
}

void ComputeFloats(BinaryFunction function, const Broadcasting<2>& shape, const float* a, const float* b, float* out) {
  switch (function) {
    case BinaryFunction::kAdd: return RunFunction<Add>(shape, a, b, out);
    case BinaryFunction::kSub: return RunFunction<Sub>(shape, a, b, out);
    case BinaryFunction::kMul: return RunFunction<Mul>(shape, a, b, out);
    case BinaryFunction::kDiv: return RunFunction<Div>(shape, a, b, out);
    case BinaryFunction::kMin: return RunFunction<Min>(shape, a, b, out);
    case BinaryFunction::kMax: return RunFunction<Max>(shape, a, b, out);
    case BinaryFunction::kPow: break;  // ComputeBinary's own
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {

HWY_EXPORT(ComputeFloats);

template <class T, class Function>
void ComputeSimply(const Broadcasting<2>& shape, const T* a, const T* b, T* out, const Function& function) {
  const std::size_t step_a = shape.moves(0) ? 1 : 0, step_b = shape.moves(1) ? 1 : 0;
  shape.ForEachRun([&](const std::array<std::size_t, 2>& inputs, std::size_t output) {
    for (std::size_t i = 0; i < shape.run(); ++i)
      out[output + i] = function(a[inputs[0] + i * step_a], b[inputs[1] + i * step_b]);
  });
}

template <class T>
void ComputeDoubles(BinaryFunction function, const Broadcasting<2>& shape, const T* a, const T* b, T* out) {
  switch (function) {
    case BinaryFunction::kAdd: return ComputeSimply(shape, a, b, out, [](T x, T y) { return x + y; });
    case BinaryFunction::kSub: return ComputeSimply(shape, a, b, out, [](T x, T y) { return x - y; });
    case BinaryFunction::kMul: return ComputeSimply(shape, a, b, out, [](T x, T y) { return x * y; });
    case BinaryFunction::kDiv: return ComputeSimply(shape, a, b, out, [](T x, T y) { return x / y; });
    case BinaryFunction::kMin:
      return ComputeSimply(shape, a, b, out, [](T x, T y) { return std::isnan(x) || x < y ? x : y; });
    case BinaryFunction::kMax:
      return ComputeSimply(shape, a, b, out, [](T x, T y) { return std::isnan(x) || x > y ? x : y; });
    case BinaryFunction::kPow: return ComputeSimply(shape, a, b, out, [](T x, T y) { return std::pow(x, y); });
  }
}

// Of no use to a model, but a file may ask for it, and a trap would end the server.
template <class T>
T Divide(T x, T y) {
  if (y == 0) return 0;
  if (y == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(x));
  return x / y;
}

template <class T>
void ComputeIntegers(BinaryFunction function, const Broadcasting<2>& shape, const T* a, const T* b, T* out) {
  using U = std::make_unsigned_t<T>;
  const auto wrapping = [&](const auto& of) {
    ComputeSimply(shape, a, b, out, [&](T x, T y) { return static_cast<T>(of(static_cast<U>(x), static_cast<U>(y))); });
  };
  switch (function) {
    case BinaryFunction::kAdd: return wrapping([](U x, U y) { return x + y; });
    case BinaryFunction::kSub: return wrapping([](U x, U y) { return x - y; });
    case BinaryFunction::kMul: return wrapping([](U x, U y) { return x * y; });
    case BinaryFunction::kDiv: return ComputeSimply(shape, a, b, out, Divide<T>);
    case BinaryFunction::kMin: return ComputeSimply(shape, a, b, out, [](T x, T y) { return x < y ? x : y; });
    case BinaryFunction::kMax: return ComputeSimply(shape, a, b, out, [](T x, T y) { return x > y ? x : y; });
    case BinaryFunction::kPow: break;
  }
}

}  // namespace

void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const float* a, const float* b, float* out) {
  if (function == BinaryFunction::kPow)
    ComputeSimply(shape, a, b, out, [](float x, float y) { return std::pow(x, y); });
  else
    HWY_DYNAMIC_DISPATCH(ComputeFloats)(function, shape, a, b, out);
}

void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const double* a, const double* b,
                   double* out) {
  ComputeDoubles(function, shape, a, b, out);
}

void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const std::int32_t* a, const std::int32_t* b,
                   std::int32_t* out) {
  ComputeIntegers(function, shape, a, b, out);
}

void ComputeBinary(BinaryFunction function, const Broadcasting<2>& shape, const std::int64_t* a, const std::int64_t* b,
                   std::int64_t* out) {
  ComputeIntegers(function, shape, a, b, out);
}

}  // namespace punctual::native
#endif
