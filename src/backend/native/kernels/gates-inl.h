// What recurrent cells do with their gates' sums: the updates of the units of a panel.
//
// `gates`: [gate][units], a vector beyond them may be read; states are updated in whole vectors, so what stands in the
// last one behind the units is nobody's.

// Included once a target: see hwy/foreach_target.h.
#if defined(PUNCTUAL_NATIVE_GATES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_NATIVE_GATES_INL_H_
#undef PUNCTUAL_NATIVE_GATES_INL_H_
#else
#define PUNCTUAL_NATIVE_GATES_INL_H_
#endif

#include "backend/native/kernels/panel_product-inl.h"
#include "backend/native/kernels/recurrent.h"
#include "backend/native/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace recurrent {

struct UsualFunctions {
  static HWY_INLINE FloatVector F(FloatVector x) { return SigmoidOf(FloatTag(), x); }
  static HWY_INLINE FloatVector G(FloatVector x) { return TanhOf(FloatTag(), x); }
  static HWY_INLINE FloatVector H(FloatVector x) { return TanhOf(FloatTag(), x); }
};

class ChosenFunctions {
 public:
  explicit ChosenFunctions(const RecurrentCell& cell) : cell_(cell) {}
  FloatVector F(FloatVector x) const { return Apply(cell_.f, x); }
  FloatVector G(FloatVector x) const { return Apply(cell_.g, x); }
  FloatVector H(FloatVector x) const { return Apply(cell_.h, x); }

 private:
  static HWY_NOINLINE FloatVector Apply(const GateFunction& function, FloatVector x) {
    const FloatTag d;
    switch (function.kind) {
      case GateFunction::Kind::kSigmoid: return SigmoidOf(d, x);
      case GateFunction::Kind::kTanh: return TanhOf(d, x);
      case GateFunction::Kind::kRelu: return hn::Max(hn::Zero(d), x);
      case GateFunction::Kind::kHardSigmoid: break;
    }
    const FloatVector line = hn::MulAdd(x, hn::Set(d, function.alpha), hn::Set(d, function.beta));
    return hn::Max(hn::Zero(d), hn::Min(hn::Set(d, 1.0f), line));
  }
  const RecurrentCell& cell_;
};

// `peephole`: null, or those of i; o's and f's follow after `peephole_stride` each.
template <class Functions>
HWY_INLINE void UpdateLstm(const Functions& functions, const float* gates, std::size_t units, const float* peephole,
                           std::size_t peephole_stride, float* c, float* h) {
  const FloatTag d;
  for (std::size_t u = 0; u < units; u += hn::Lanes(d)) {
    FloatVector input = hn::LoadU(d, gates + u);
    FloatVector output = hn::LoadU(d, gates + units + u);
    FloatVector forget = hn::LoadU(d, gates + 2 * units + u);
    const FloatVector candidate = functions.G(hn::LoadU(d, gates + 3 * units + u));
    FloatVector state = hn::Load(d, c + u);
    if (peephole != nullptr) {
      input = hn::MulAdd(state, hn::Load(d, peephole + u), input);
      forget = hn::MulAdd(state, hn::Load(d, peephole + 2 * peephole_stride + u), forget);
    }
    state = hn::MulAdd(functions.F(forget), state, hn::Mul(functions.F(input), candidate));
    hn::Store(state, d, c + u);
    if (peephole != nullptr) output = hn::MulAdd(state, hn::Load(d, peephole + peephole_stride + u), output);
    hn::Store(hn::Mul(functions.F(output), functions.H(state)), d, h + u);
  }
}

// (1 - update) candidate + update h.
HWY_INLINE FloatVector Blend(FloatVector update, FloatVector candidate, FloatVector h) {
  return hn::MulAdd(update, hn::Sub(h, candidate), candidate);
}

// `gates`: the recurrent parts of z, r, h; `projected`: the inputs' parts.
template <class Functions>
HWY_INLINE void UpdateGruAfter(const Functions& functions, const float* gates, const float* projected,
                               std::size_t units, const float* h, float* next_h) {
  const FloatTag d;
  for (std::size_t u = 0; u < units; u += hn::Lanes(d)) {
    const FloatVector update = functions.F(hn::Add(hn::LoadU(d, gates + u), hn::LoadU(d, projected + u)));
    const FloatVector reset =
        functions.F(hn::Add(hn::LoadU(d, gates + units + u), hn::LoadU(d, projected + units + u)));
    const FloatVector candidate =
        functions.G(hn::MulAdd(reset, hn::LoadU(d, gates + 2 * units + u), hn::LoadU(d, projected + 2 * units + u)));
    hn::Store(Blend(update, candidate, hn::Load(d, h + u)), d, next_h + u);
  }
}

// `gates`: z, r.
template <class Functions>
HWY_INLINE void UpdateGruGates(const Functions& functions, const float* gates, std::size_t units, const float* h,
                               float* update, float* reset_hidden) {
  const FloatTag d;
  for (std::size_t u = 0; u < units; u += hn::Lanes(d)) {
    hn::Store(functions.F(hn::LoadU(d, gates + u)), d, update + u);
    const FloatVector reset = functions.F(hn::LoadU(d, gates + units + u));
    hn::Store(hn::Mul(reset, hn::Load(d, h + u)), d, reset_hidden + u);
  }
}

// `gates`: h.
template <class Functions>
HWY_INLINE void UpdateGru(const Functions& functions, const float* gates, std::size_t units, const float* update,
                          const float* h, float* next_h) {
  const FloatTag d;
  for (std::size_t u = 0; u < units; u += hn::Lanes(d)) {
    const FloatVector candidate = functions.G(hn::LoadU(d, gates + u));
    hn::Store(Blend(hn::Load(d, update + u), candidate, hn::Load(d, h + u)), d, next_h + u);
  }
}

}  // namespace recurrent
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
