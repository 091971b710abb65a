// What happens to the sums of dense.h before they are stored, a vector at a time.

// Included once a target: see hwy/foreach_target.h.
#if defined(PUNCTUAL_NATIVE_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_NATIVE_ACTIVATION_INL_H_
#undef PUNCTUAL_NATIVE_ACTIVATION_INL_H_
#else
#define PUNCTUAL_NATIVE_ACTIVATION_INL_H_
#endif

#include "backend/native/kernels/dense.h"
#include "backend/native/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace dense {

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr std::size_t kLanes = hn::MaxLanes(D());

HWY_INLINE bool IsSimple(Activation kind) { return kind <= Activation::kLeakyRelu; }

HWY_INLINE V ActivateSimply(ActivationWith activation, V v) {
  const D d;
  if (activation.kind == Activation::kNone) return v;
  if (activation.kind == Activation::kRelu) return hn::Max(v, hn::Zero(d));
  return hn::IfThenElse(hn::Lt(v, hn::Zero(d)), hn::Mul(v, hn::Set(d, activation.alpha)), v);
}

inline V ActivateAny(ActivationWith activation, V v) {
  const D d;
  switch (activation.kind) {
    case Activation::kElu: return EluOf(d, v, hn::Set(d, activation.alpha));
    case Activation::kSigmoid: return SigmoidOf(d, v);
    case Activation::kTanh: return TanhOf(d, v);
    case Activation::kGelu: return GeluOf(d, v);
    case Activation::kGeluTanh: return GeluTanhOf(d, v);
    default: return ActivateSimply(activation, v);
  }
}

HWY_INLINE void StoreSome(V v, std::size_t count, float* to) {
  const D d;
  if (count >= kLanes)
    hn::StoreU(v, d, to);
  else
    hn::BlendedStore(v, hn::FirstN(d, count), d, to);
}

}  // namespace dense
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
