#include "backend/native/kernels/softmax.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/softmax.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "backend/native/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace {

using Tag = hn::ScalableTag<float>;
using Vector = hn::Vec<Tag>;

// Whole vectors, then what is left of `count` as f(i, mask).
template <class Whole, class Part>
HWY_INLINE void ForEachVector(std::size_t count, const Whole& whole, const Part& part) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) whole(i);
  if (i < count) part(i, hn::FirstN(d, count - i));
}

template <bool kLog>
HWY_INLINE void Row(const float* x, float* y, std::size_t count) {
  using Mask = hn::Mask<Tag>;
  const Tag d;
  const Vector lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  Vector most = lowest;
  ForEachVector(
      count, [&](std::size_t i) HWY_ATTR { most = hn::Max(most, hn::LoadU(d, x + i)); },
      [&](std::size_t i, Mask mask)
          HWY_ATTR { most = hn::Max(most, hn::IfThenElse(mask, hn::LoadU(d, x + i), lowest)); });
  const Vector top = hn::MaxOfLanes(d, most);
  Vector sum = hn::Zero(d);
  ForEachVector(
      count,
      [&](std::size_t i) HWY_ATTR {
        const Vector e = ExpOf(d, hn::Sub(hn::LoadU(d, x + i), top));
        sum = hn::Add(sum, e);
        if constexpr (!kLog) hn::StoreU(e, d, y + i);
      },
      [&](std::size_t i, Mask mask) HWY_ATTR {
        const Vector e = ExpOf(d, hn::Sub(hn::LoadU(d, x + i), top));
        sum = hn::Add(sum, hn::IfThenElseZero(mask, e));
        if constexpr (!kLog) hn::BlendedStore(e, mask, d, y + i);
      });
  const Vector total = hn::SumOfLanes(d, sum);
  if constexpr (kLog) {
    const Vector log = LogOf(d, total);
    const auto of = [&](std::size_t i) HWY_ATTR { return hn::Sub(hn::Sub(hn::LoadU(d, x + i), top), log); };
    ForEachVector(
        count, [&](std::size_t i) HWY_ATTR { hn::StoreU(of(i), d, y + i); },
        [&](std::size_t i, Mask mask) HWY_ATTR { hn::BlendedStore(of(i), mask, d, y + i); });
  } else {
    const Vector scale = hn::Div(hn::Set(d, 1.0f), total);
    const auto of = [&](std::size_t i) HWY_ATTR { return hn::Mul(hn::LoadU(d, y + i), scale); };
    ForEachVector(
        count, [&](std::size_t i) HWY_ATTR { hn::StoreU(of(i), d, y + i); },
        [&](std::size_t i, Mask mask) HWY_ATTR { hn::BlendedStore(of(i), mask, d, y + i); });
  }
}

// A vector of neighbouring columns at a time: [count][inner], of which the first `width` lanes are ours.
template <bool kLog>
HWY_INLINE void Columns(const float* x, float* y, std::size_t count, std::size_t inner, std::size_t width) {
  const Tag d;
  const auto mask = hn::FirstN(d, width);
  Vector top = hn::LoadU(d, x);
  for (std::size_t i = 1; i < count; ++i) top = hn::Max(top, hn::LoadU(d, x + i * inner));
  Vector sum = hn::Zero(d);
  for (std::size_t i = 0; i < count; ++i) {
    const Vector e = ExpOf(d, hn::Sub(hn::LoadU(d, x + i * inner), top));
    sum = hn::Add(sum, e);
    if constexpr (!kLog) hn::BlendedStore(e, mask, d, y + i * inner);
  }
  if constexpr (kLog) {
    const Vector log = LogOf(d, sum);
    for (std::size_t i = 0; i < count; ++i)
      hn::BlendedStore(hn::Sub(hn::Sub(hn::LoadU(d, x + i * inner), top), log), mask, d, y + i * inner);
  } else {
    const Vector scale = hn::Div(hn::Set(d, 1.0f), sum);
    for (std::size_t i = 0; i < count; ++i)
      hn::BlendedStore(hn::Mul(hn::LoadU(d, y + i * inner), scale), mask, d, y + i * inner);
  }
}

template <bool kLog>
void Over(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  const std::size_t lanes = hn::Lanes(Tag());
  if (count == 0) return;
  for (std::size_t o = 0; o < outer; ++o, x += count * inner, y += count * inner) {
    if (inner == 1) {
      Row<kLog>(x, y, count);
      continue;
    }
    for (std::size_t i = 0; i < inner; i += lanes)
      Columns<kLog>(x + i, y + i, count, inner, std::min(lanes, inner - i));
  }
}

void Exponentials(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  Over<false>(x, y, outer, count, inner);
}
void Logarithms(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  Over<true>(x, y, outer, count, inner);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {
HWY_EXPORT(Exponentials);
HWY_EXPORT(Logarithms);
}  // namespace

void Softmax(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  HWY_DYNAMIC_DISPATCH(Exponentials)(x, y, outer, count, inner);
}

void LogSoftmax(const float* x, float* y, std::size_t outer, std::size_t count, std::size_t inner) {
  HWY_DYNAMIC_DISPATCH(Logarithms)(x, y, outer, count, inner);
}

}  // namespace punctual::native
#endif
