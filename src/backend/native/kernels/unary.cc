#include "backend/native/kernels/unary.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/unary.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "backend/native/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace {

using Tag = hn::ScalableTag<float>;
using Vector = hn::Vec<Tag>;

template <class F>
HWY_INLINE void ForAll(const float* x, float* y, std::size_t count, const F& f) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i)), d, y + i);
  if (i < count) hn::BlendedStore(f(hn::LoadU(d, x + i)), hn::FirstN(d, count - i), d, y + i);
}

void UnaryOfFloats(UnaryFunction function, const float* x, float* y, std::size_t count) {
  using Kind = UnaryFunction::Kind;
  const Tag d;
  const Vector zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  const Vector alpha = hn::Set(d, function.alpha), beta = hn::Set(d, function.beta);
  switch (function.kind) {
    case Kind::kAbs: return ForAll(x, y, count, [](Vector v) HWY_ATTR { return hn::Abs(v); });
    case Kind::kNeg: return ForAll(x, y, count, [](Vector v) HWY_ATTR { return hn::Neg(v); });
    case Kind::kSqrt: return ForAll(x, y, count, [](Vector v) HWY_ATTR { return hn::Sqrt(v); });
    case Kind::kReciprocal: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return hn::Div(one, v); });
    case Kind::kExp: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return ExpOf(d, v); });
    case Kind::kLog: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return LogOf(d, v); });
    case Kind::kErf: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return ErfOf(d, v); });
    case Kind::kRelu: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return vector_math::AtLeast(zero, v); });
    case Kind::kLeakyRelu:
      return ForAll(x, y, count,
                    [=](Vector v) HWY_ATTR { return hn::IfThenElse(hn::Lt(v, zero), hn::Mul(alpha, v), v); });
    case Kind::kClip:
      return ForAll(x, y, count,
                    [=](Vector v) HWY_ATTR { return vector_math::AtMost(beta, vector_math::AtLeast(alpha, v)); });
    case Kind::kElu: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return EluOf(d, v, alpha); });
    case Kind::kSelu: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return hn::Mul(beta, EluOf(d, v, alpha)); });
    case Kind::kGelu: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return GeluOf(d, v); });
    case Kind::kGeluTanh: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return GeluTanhOf(d, v); });
    case Kind::kSigmoid: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return SigmoidOf(d, v); });
    case Kind::kHardSigmoid:
      return ForAll(x, y, count, [=](Vector v) HWY_ATTR {
        return vector_math::AtMost(one, vector_math::AtLeast(zero, hn::MulAdd(alpha, v, beta)));
      });
    case Kind::kTanh: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return TanhOf(d, v); });
    case Kind::kSoftplus: return ForAll(x, y, count, [=](Vector v) HWY_ATTR { return SoftplusOf(d, v); });
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {

HWY_EXPORT(UnaryOfFloats);

template <class F>
void ForAll(const double* x, double* y, std::size_t count, const F& f) {
  for (std::size_t i = 0; i < count; ++i) y[i] = f(x[i]);
}

}  // namespace

void ComputeUnary(UnaryFunction function, const float* x, float* y, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(UnaryOfFloats)(function, x, y, count);
}

void ComputeUnary(UnaryFunction function, const double* x, double* y, std::size_t count) {
  using Kind = UnaryFunction::Kind;
  switch (function.kind) {
    case Kind::kAbs: return ForAll(x, y, count, [](double v) { return std::abs(v); });
    case Kind::kNeg: return ForAll(x, y, count, [](double v) { return -v; });
    case Kind::kSqrt: return ForAll(x, y, count, [](double v) { return std::sqrt(v); });
    case Kind::kReciprocal: return ForAll(x, y, count, [](double v) { return 1 / v; });
    case Kind::kExp: return ForAll(x, y, count, [](double v) { return std::exp(v); });
    case Kind::kLog: return ForAll(x, y, count, [](double v) { return std::log(v); });
    case Kind::kErf: return ForAll(x, y, count, [](double v) { return std::erf(v); });
    case Kind::kRelu: return ForAll(x, y, count, [](double v) { return v < 0 ? 0 : v; });
    default: return;  // by the contract, never
  }
}

}  // namespace punctual::native
#endif
