// Transcendental functions on vectors of float, for kernels to inline: no branches, no tables, no memory. Errors are
// given in ulp of the exact result, with FMA; without it (SSE4) they are up to twice that. vector_math_test.cc holds
// them to it. Infinities give the functions' limits, NaN gives NaN.
//
// Polynomials and fractions are minimax fits of relative error. Names end in Of so that Highway's own
// (hwy/contrib/math) may stand beside them.

// Included once a target: see hwy/foreach_target.h.
#if defined(PUNCTUAL_NATIVE_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_NATIVE_VECTOR_MATH_INL_H_
#undef PUNCTUAL_NATIVE_VECTOR_MATH_INL_H_
#else
#define PUNCTUAL_NATIVE_VECTOR_MATH_INL_H_
#endif

#include <limits>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

namespace vector_math {

// The bounds of x; NaN stays NaN: on x86 the second operand's wins, others give NaN in any case.
template <class V>
HWY_INLINE V AtLeast(V low, V x) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  return hn::IfThenElse(hn::Lt(x, low), low, x);
#else
  return hn::Max(low, x);
#endif
}
template <class V>
HWY_INLINE V AtMost(V high, V x) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  return hn::IfThenElse(hn::Gt(x, high), high, x);
#else
  return hn::Min(high, x);
#endif
}

// c0 + c1 x + c2 x^2 + ...
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Polynomial(D d, V /*x*/, float c0) {
  return hn::Set(d, c0);
}
template <class D, class V = hn::Vec<D>, class... Rest>
HWY_INLINE V Polynomial(D d, V x, float c0, Rest... rest) {
  return hn::MulAdd(Polynomial(d, x, rest...), x, hn::Set(d, c0));
}

// Adding it rounds to an integer, which then stands in the lowest bits.
inline constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

// x = n ln 2 + r, |r| <= ln 2 / 2.
template <class V>
struct Reduced {
  V rounded;  // kRounder + n
  V n, r;
};

template <class D, class V = hn::Vec<D>>
HWY_INLINE Reduced<V> Reduce(D d, V x) {
  const V rounded = hn::MulAdd(x, hn::Set(d, 1.44269504f), hn::Set(d, kRounder));
  const V n = hn::Sub(rounded, hn::Set(d, kRounder));
  // ln 2 in two parts; the first has so few bits that its product with n is exact.
  const V r = hn::NegMulAdd(n, hn::Set(d, 0.693145752f), x);
  return {rounded, n, hn::NegMulAdd(n, hn::Set(d, 1.42860682e-06f), r)};
}

// 2^n. REQUIRES: -126 <= n <= 127.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V PowerOfTwo(D d, const Reduced<V>& reduced) {
  const hn::RebindToUnsigned<D> bits;
  // The shift loses all of kRounder but n's bits.
  return hn::BitCast(
      d, hn::Add(hn::ShiftLeft<23>(hn::BitCast(bits, reduced.rounded)), hn::BitCast(bits, hn::Set(d, 1.0f))));
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
HWY_INLINE hn::Vec512<float> AboutOneOver(hn::Vec512<float> x) { return hn::Vec512<float>{_mm512_rcp14_ps(x.raw)}; }
HWY_INLINE hn::Vec256<float> AboutOneOver(hn::Vec256<float> x) { return hn::Vec256<float>{_mm256_rcp14_ps(x.raw)}; }
template <std::size_t kLanes>
HWY_INLINE hn::Vec128<float, kLanes> AboutOneOver(hn::Vec128<float, kLanes> x) {
  return hn::Vec128<float, kLanes>{_mm_rcp14_ps(x.raw)};
}
HWY_INLINE hn::Vec512<float> Scalef(hn::Vec512<float> p, hn::Vec512<float> n) {
  return hn::Vec512<float>{_mm512_scalef_ps(p.raw, n.raw)};
}
HWY_INLINE hn::Vec256<float> Scalef(hn::Vec256<float> p, hn::Vec256<float> n) {
  return hn::Vec256<float>{_mm256_scalef_ps(p.raw, n.raw)};
}
template <std::size_t kLanes>
HWY_INLINE hn::Vec128<float, kLanes> Scalef(hn::Vec128<float, kLanes> p, hn::Vec128<float, kLanes> n) {
  return hn::Vec128<float, kLanes>{_mm_scalef_ps(p.raw, n.raw)};
}
#endif

// a / b, for b of ordinary size: far from overflow, denormals and zero.
template <class V>
HWY_INLINE V Quotient(V a, V b) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // The divider takes 16 cycles for each of these vectors, in which 32 other operations can be begun. The correction
  // squares the estimate's error of 2^-14.
  const V about = AboutOneOver(b);
  const V quotient = hn::Mul(a, about);
  return hn::MulAdd(hn::NegMulAdd(quotient, b, a), about, quotient);
#else
  return hn::Div(a, b);
#endif
}

// p 2^n for any n that Reduce gives of [-104, 89]: down into the denormals, up into infinity.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Scale(D d, V p, const Reduced<V>& reduced) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  (void)d;
  return Scalef(p, reduced.n);
#else
  // In two steps, as 2^n need not be a float.
  const hn::RebindToSigned<D> di;
  const auto n = hn::Sub(hn::BitCast(di, reduced.rounded), hn::BitCast(di, hn::Set(d, kRounder)));
  const auto half = hn::ShiftRight<1>(n);
  const auto one = hn::BitCast(di, hn::Set(d, 1.0f));
  const auto first = hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(half), one));
  const auto second = hn::BitCast(d, hn::Add(hn::ShiftLeft<23>(hn::Sub(n, half)), one));
  return hn::Mul(hn::Mul(p, first), second);
#endif
}

// e^r. REQUIRES: |r| <= ln 2 / 2.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpNearZero(D d, V r) {
  return Polynomial(d, r, 1.0f, 1.0f, 0.499999934f, 0.166665206f, 0.0416683881f, 0.00836871695f, 0.00138145978f);
}

}  // namespace vector_math

// e^x; 1 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpOf(D d, V x) {
  x = vector_math::AtMost(hn::Set(d, 89.0f), vector_math::AtLeast(hn::Set(d, -104.0f), x));
  const auto reduced = vector_math::Reduce(d, x);
  return vector_math::Scale(d, vector_math::ExpNearZero(d, reduced.r), reduced);
}

// 1 / (1 + e^-x); 3 ulp, also where it is small. Results below the least normal number may be zero.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SigmoidOf(D d, V x) {
  // Of -|x|, so that nothing overflows: sigmoid(-y) = e^-y / (1 + e^-y).
  const V one = hn::Set(d, 1.0f);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  const V down = vector_math::AtLeast(hn::Set(d, -104.0f), hn::Or(x, hn::SignBit(d)));
  const auto reduced = vector_math::Reduce(d, down);
  const V e = vector_math::Scalef(vector_math::ExpNearZero(d, reduced.r), reduced.n);
#else
  const V all_down = hn::Or(x, hn::SignBit(d));
  const V down = vector_math::AtLeast(hn::Set(d, -87.33f), all_down);
  const auto reduced = vector_math::Reduce(d, down);
  V e = hn::Mul(vector_math::ExpNearZero(d, reduced.r), vector_math::PowerOfTwo(d, reduced));
  e = hn::IfThenZeroElse(hn::Lt(all_down, down), e);
#endif
  return vector_math::Quotient(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// 5 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V TanhOf(D d, V x) {
  // There the fraction is exactly 1, with FMA and without, and nowhere below is it more.
  const V limit = hn::Set(d, 8.00572109f);
  x = vector_math::AtMost(limit, vector_math::AtLeast(hn::Neg(limit), x));
  const V square = hn::Mul(x, x);
  const V p = vector_math::Polynomial(d, square, 0.133833345f, 0.00349822762f, 2.06485511e-05f, 1.34020594e-08f);
  const V q = vector_math::Polynomial(d, square, 1.0f, 0.467166558f, 0.0258872867f, 0.000328977893f, 7.79749251e-07f);
  return vector_math::Quotient(hn::MulAdd(hn::Mul(square, x), p, x), q);
}

// 6 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ErfOf(D d, V x) {
  const V limit = hn::Set(d, 3.61931539f);  // as in TanhOf
  x = vector_math::AtMost(limit, vector_math::AtLeast(hn::Neg(limit), x));
  const V square = hn::Mul(x, x);
  const V p = vector_math::Polynomial(d, square, 1.12837915f, 0.190782567f, 0.0527901201f, 0.00377955487f,
                                      0.000284807354f, 2.04198046e-06f);
  const V q = vector_math::Polynomial(d, square, 1.0f, 0.502409367f, 0.114257001f, 0.0149973293f, 0.00116519944f,
                                      3.80041092e-05f);
  return vector_math::Quotient(hn::Mul(x, p), q);
}

// x (1 + erf(x / sqrt 2)) / 2; 8 ulp, also where it is small (without FMA up to 70 there).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluOf(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  // The normal distribution's tail beyond |x|: e^(-x^2 / 2) times a fraction, at 14.5 less than any float.
  const V size = vector_math::AtMost(hn::Set(d, 14.5f), hn::Abs(x));
  const V y = hn::Mul(size, hn::Set(d, 0.707106781f));
  const V p = vector_math::Polynomial(d, y, 0.5f, 0.619042225f, 0.3655785715f, 0.114481155f, 0.0163621872f);
  const V q = vector_math::Polynomial(d, y, 1.0f, 2.36646403f, 2.40141794f, 1.32451471f, 0.405851257f, 0.0580017567f);
  // The square's rounding error would be multiplied by it in the exponent.
  const V square = hn::Mul(size, size);
  const V rest = hn::MulSub(size, size, square);
  const V half = hn::Set(d, -0.5f);
  const V e = ExpOf(d, hn::Mul(square, half));
  const V tail = hn::Mul(e, hn::Mul(hn::MulAdd(rest, half, one), vector_math::Quotient(p, q)));
  // Not -infinity times zero.
  const V x_above = vector_math::AtLeast(hn::Set(d, -14.5f), x);
  return hn::Mul(x_above, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail)));
}

// Gelu's approximation by tanh: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. Absolute error 1e-6 |x|.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V GeluTanhOf(D d, V x) {
  const V x_above = vector_math::AtLeast(hn::Set(d, -11.0f), x);
  const V cube = hn::Mul(hn::Mul(x_above, x_above), x_above);
  const V inner = hn::MulAdd(cube, hn::Set(d, 0.044715f), x_above);
  return hn::Mul(x_above, SigmoidOf(d, hn::Mul(inner, hn::Set(d, 1.59576912f))));
}

// e^x - 1 for x <= 0; 3 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ExpMinusOneBelowZero(D d, V x) {
  const auto reduced = vector_math::Reduce(d, vector_math::AtLeast(hn::Set(d, -18.0f), x));
  const V r = reduced.r;
  const V p = vector_math::Polynomial(d, r, 0.499999982f, 0.166665436f, 0.0416671999f, 0.00836652063f, 0.00138825206f);
  const V e = hn::MulAdd(hn::Mul(r, r), p, r);
  const V scale = vector_math::PowerOfTwo(d, reduced);
  return hn::MulAdd(e, scale, hn::Sub(scale, hn::Set(d, 1.0f)));
}

// x if x > 0, else alpha (e^x - 1); 3 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V EluOf(D d, V x, V alpha) {
  const V zero = hn::Zero(d);
  const V below = hn::Mul(alpha, ExpMinusOneBelowZero(d, vector_math::AtMost(zero, x)));
  return hn::IfThenElse(hn::Gt(x, zero), x, below);
}

// The natural logarithm; 2 ulp. Of zero it is -infinity, of less than zero NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V LogOf(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto is_denormal = hn::Lt(x, hn::Set(d, 1.17549435e-38f));
  const V normal = hn::IfThenElse(is_denormal, hn::Mul(x, hn::Set(d, 33554432.0f)), x);
  const V offset = hn::IfThenElseZero(is_denormal, hn::Set(d, -25.0f));
  // x = 2^n (1 + f), with 1 + f in [sqrt 1/2, sqrt 2).
  const auto least = hn::Set(di, 0x3f3504f3);
  const auto bits = hn::Sub(hn::BitCast(di, normal), least);
  const V n = hn::Add(hn::ConvertTo(d, hn::ShiftRight<23>(bits)), offset);
  const auto mantissa = hn::Add(hn::And(bits, hn::Set(di, 0x7fffff)), least);
  const V f = hn::Sub(hn::BitCast(d, mantissa), hn::Set(d, 1.0f));
  const V p = vector_math::Polynomial(d, f, 0.333333317f, -0.25000821f, 0.200012268f, -0.166233571f, 0.142017595f,
                                      -0.131601865f, 0.127615683f, -0.0763447471f);
  const V square = hn::Mul(f, f);
  V low = hn::MulAdd(hn::Mul(square, f), p, hn::Mul(n, hn::Set(d, 1.42860682e-06f)));
  low = hn::NegMulAdd(hn::Set(d, 0.5f), square, low);
  V log = hn::MulAdd(n, hn::Set(d, 0.693145752f), hn::Add(f, low));
  const V infinity = hn::Set(d, std::numeric_limits<float>::infinity());
  log = hn::IfThenElse(hn::Eq(x, infinity), infinity, log);
  log = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(infinity), log);
  // Also of NaN.
  return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), log, hn::Set(d, std::numeric_limits<float>::quiet_NaN()));
}

// log(1 + e^x); 4 ulp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SoftplusOf(D d, V x) {
  const V zero = hn::Zero(d);
  const V one = hn::Set(d, 1.0f);
  const V e = ExpOf(d, hn::Neg(hn::Abs(x)));
  const V sum = hn::Add(one, e);
  // What the sum's rounding lost, to first order.
  const V lost = vector_math::Quotient(hn::Sub(e, hn::Sub(sum, one)), sum);
  return hn::Add(vector_math::AtLeast(zero, x), hn::Add(LogOf(d, sum), lost));
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
