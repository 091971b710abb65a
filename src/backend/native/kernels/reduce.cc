#include "backend/native/kernels/reduce.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/reduce.cc"
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

struct Sum {
  static constexpr float kBegin = 0;
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Add(a, b); }
  static HWY_INLINE Vector OfLanes(Vector v) { return hn::SumOfLanes(Tag(), v); }
};
struct Max {
  static constexpr float kBegin = -std::numeric_limits<float>::infinity();
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Max(a, b); }
  static HWY_INLINE Vector OfLanes(Vector v) { return hn::MaxOfLanes(Tag(), v); }
};
struct Min {
  static constexpr float kBegin = std::numeric_limits<float>::infinity();
  static HWY_INLINE Vector Of(Vector a, Vector b) { return hn::Min(a, b); }
  static HWY_INLINE Vector OfLanes(Vector v) { return hn::MinOfLanes(Tag(), v); }
};

template <class R>
HWY_INLINE float Row(const float* x, std::size_t count) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  const Vector begin = hn::Set(d, R::kBegin);
  Vector all[4] = {begin, begin, begin, begin};  // so that one need not wait for the other
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (std::size_t k = 0; k < 4; ++k) all[k] = R::Of(all[k], hn::LoadU(d, x + i + k * lanes));
  for (; i + lanes <= count; i += lanes) all[0] = R::Of(all[0], hn::LoadU(d, x + i));
  if (i < count) all[1] = R::Of(all[1], hn::IfThenElse(hn::FirstN(d, count - i), hn::LoadU(d, x + i), begin));
  return hn::GetLane(R::OfLanes(R::Of(R::Of(all[0], all[1]), R::Of(all[2], all[3]))));
}

template <class R>
void Over(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t o = 0; o < outer; ++o, x += count * inner, y += inner) {
    if (inner == 1) {
      *y = Row<R>(x, count);
      continue;
    }
    for (std::size_t i = 0; i < inner; i += lanes) {
      Vector all = hn::Set(d, R::kBegin);
      for (std::size_t k = 0; k < count; ++k) all = R::Of(all, hn::LoadU(d, x + k * inner + i));
      if (i + lanes <= inner)
        hn::StoreU(all, d, y + i);
      else
        hn::BlendedStore(all, hn::FirstN(d, inner - i), d, y + i);
    }
  }
}

void ReduceFloats(Reduction reduction, const float* x, float* y, std::size_t outer, std::size_t count,
                  std::size_t inner) {
  switch (reduction) {
    case Reduction::kSum: return Over<Sum>(x, y, outer, count, inner);
    case Reduction::kMax: return Over<Max>(x, y, outer, count, inner);
    case Reduction::kMin: return Over<Min>(x, y, outer, count, inner);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {

HWY_EXPORT(ReduceFloats);

template <class T, class F>
void OverSimply(const T* x, T* y, std::size_t outer, std::size_t count, std::size_t inner, T begin, const F& f) {
  for (std::size_t o = 0; o < outer; ++o, x += count * inner, y += inner) {
    std::fill_n(y, inner, begin);
    for (std::size_t k = 0; k < count; ++k)
      for (std::size_t i = 0; i < inner; ++i) y[i] = f(y[i], x[k * inner + i]);
  }
}

template <class T>
T Plus(T a, T b) {
  if constexpr (std::is_integral_v<T>)  // wraps around rather than overflows
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b));
  else
    return a + b;
}

template <class T>
void ReduceSimply(Reduction reduction, const T* x, T* y, std::size_t outer, std::size_t count, std::size_t inner) {
  switch (reduction) {
    case Reduction::kSum: return OverSimply(x, y, outer, count, inner, T{0}, Plus<T>);
    case Reduction::kMax:
      return OverSimply(x, y, outer, count, inner, std::numeric_limits<T>::lowest(),
                        [](T a, T b) { return std::max(a, b); });
    case Reduction::kMin:
      return OverSimply(x, y, outer, count, inner, std::numeric_limits<T>::max(),
                        [](T a, T b) { return std::min(a, b); });
  }
}

}  // namespace

void Reduce(Reduction reduction, const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  HWY_DYNAMIC_DISPATCH(ReduceFloats)(reduction, x, y, outer, count, inner);
}

void Reduce(Reduction reduction, const double* x, double* y, std::size_t outer, std::size_t count, std::size_t inner) {
  ReduceSimply(reduction, x, y, outer, count, inner);
}

void Reduce(Reduction reduction, const std::int32_t* x, std::int32_t* y, std::size_t outer, std::size_t count,
            std::size_t inner) {
  ReduceSimply(reduction, x, y, outer, count, inner);
}

void Reduce(Reduction reduction, const std::int64_t* x, std::int64_t* y, std::size_t outer, std::size_t count,
            std::size_t inner) {
  ReduceSimply(reduction, x, y, outer, count, inner);
}

}  // namespace punctual::native
#endif
