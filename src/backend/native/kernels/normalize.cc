#include "backend/native/kernels/normalize.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/normalize.cc"
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

// Of f(vector) over all numbers; two sums at a time, so that additions need not wait for each other.
template <class F>
HWY_INLINE float SumOf(const float* x, std::size_t count, const F& f) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  Vector first = hn::Zero(d), second = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    first = hn::Add(first, f(hn::LoadU(d, x + i)));
    second = hn::Add(second, f(hn::LoadU(d, x + i + lanes)));
  }
  for (; i + lanes <= count; i += lanes) first = hn::Add(first, f(hn::LoadU(d, x + i)));
  if (i < count) second = hn::Add(second, hn::IfThenElseZero(hn::FirstN(d, count - i), f(hn::LoadU(d, x + i))));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(first, second)));
}

// y = f(x, i).
template <class F>
HWY_INLINE void ForAll(const float* x, float* y, std::size_t count, const F& f) {
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(f(hn::LoadU(d, x + i), i), d, y + i);
  if (i < count) hn::BlendedStore(f(hn::LoadU(d, x + i), i), hn::FirstN(d, count - i), d, y + i);
}

void Rows(const RowNormalization& how, const float* x, float* y) {
  const Tag d;
  const auto count = static_cast<float>(how.count);
  const bool has_all = how.scale != nullptr && how.bias != nullptr;
  for (std::size_t row = 0; row < how.rows; ++row, x += how.count, y += how.count) {
    const float mean = SumOf(x, how.count, [](Vector v) HWY_ATTR { return v; }) / count;
    const Vector middle = hn::Set(d, mean);
    const float squares = SumOf(x, how.count, [=](Vector v) HWY_ATTR {
      const Vector away = hn::Sub(v, middle);
      return hn::Mul(away, away);
    });
    const float inverse = 1.0f / std::sqrt(squares / count + how.epsilon);
    if (how.mean != nullptr) how.mean[row] = mean;
    if (how.inverse_deviation != nullptr) how.inverse_deviation[row] = inverse;
    const Vector factor = hn::Set(d, inverse);
    if (how.by_row) {
      const std::size_t channel = row % how.channels;
      const Vector scale = hn::Mul(factor, hn::Set(d, how.scale == nullptr ? 1.0f : how.scale[channel]));
      const Vector bias = hn::Set(d, how.bias == nullptr ? 0.0f : how.bias[channel]);
      ForAll(x, y, how.count,
             [=](Vector v, std::size_t) HWY_ATTR { return hn::MulAdd(hn::Sub(v, middle), scale, bias); });
    } else if (has_all) {
      ForAll(x, y, how.count, [=, &how](Vector v, std::size_t i) HWY_ATTR {
        const Vector normal = hn::Mul(hn::Sub(v, middle), factor);
        return hn::MulAdd(normal, hn::LoadU(d, how.scale + i), hn::LoadU(d, how.bias + i));
      });
    } else {
      ForAll(x, y, how.count, [=, &how](Vector v, std::size_t i) HWY_ATTR {
        Vector normal = hn::Mul(hn::Sub(v, middle), factor);
        if (how.scale != nullptr) normal = hn::Mul(normal, hn::LoadU(d, how.scale + i));
        if (how.bias != nullptr) normal = hn::Add(normal, hn::LoadU(d, how.bias + i));
        return normal;
      });
    }
  }
}

void Channels(const float* x, float* y, std::size_t outer, std::size_t channels, std::size_t inner, const float* scale,
              const float* bias) {
  const Tag d;
  for (std::size_t o = 0; o < outer; ++o) {
    if (inner == 1) {
      ForAll(x, y, channels, [=](Vector v, std::size_t i) HWY_ATTR {
        return hn::MulAdd(v, hn::LoadU(d, scale + i), hn::LoadU(d, bias + i));
      });
      x += channels;
      y += channels;
      continue;
    }
    for (std::size_t c = 0; c < channels; ++c, x += inner, y += inner) {
      const Vector by = hn::Set(d, scale[c]), plus = hn::Set(d, bias[c]);
      ForAll(x, y, inner, [=](Vector v, std::size_t) HWY_ATTR { return hn::MulAdd(v, by, plus); });
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {
HWY_EXPORT(Rows);
HWY_EXPORT(Channels);
}  // namespace

void NormalizeRows(const RowNormalization& how, const float* x, float* y) { HWY_DYNAMIC_DISPATCH(Rows)(how, x, y); }

void ScaleChannels(const float* x, float* y, std::size_t outer, std::size_t channels, std::size_t inner,
                   const float* scale, const float* bias) {
  HWY_DYNAMIC_DISPATCH(Channels)(x, y, outer, channels, inner, scale, bias);
}

}  // namespace punctual::native
#endif
