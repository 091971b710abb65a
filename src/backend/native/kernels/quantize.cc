#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/quantize.cc"
#define HWY_WANT_AVX3_DL
#include <hwy/foreach_target.h>
// After foreach_target.h, which includes this file again for each target.
#include <hwy/highway.h>

#include "backend/native/kernels/low_bytes-inl.h"
#include "backend/native/kernels/quantize.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;  // 64 bytes, as much as may be written after the ends
using Ints = hn::RebindToSigned<Floats>;

void QuantizeAll(const float* HWY_RESTRICT from, std::size_t count, float scale, std::int32_t zero_point,
                 std::int32_t low, std::int32_t high, std::uint8_t* HWY_RESTRICT codes) {
  const Floats d;
  const Ints di;
  const auto by = hn::Set(d, scale);
  // Codes lie at most 255 from the zero point: what is beyond that needs no more than to stay beyond.
  const auto least = hn::Set(d, -512.0f), most = hn::Set(d, 512.0f);
  const auto zero = hn::Set(di, zero_point), lowest = hn::Set(di, low), highest = hn::Set(di, high);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    auto x = hn::Div(hn::LoadU(d, from + i), by);
    x = hn::IfThenElseZero(hn::Eq(x, x), x);
    auto code = hn::Add(hn::NearestInt(hn::Min(hn::Max(x, least), most)), zero);
    code = hn::Min(hn::Max(code, lowest), highest);
    StoreLowBytes(di, code, codes + i);
  }
}

template <class Code>
HWY_INLINE void DequantizeAll(const Code* HWY_RESTRICT codes, std::size_t count, float scale, std::int32_t zero_point,
                              float* HWY_RESTRICT to) {
  const Floats d;
  const Ints di;
  const hn::Rebind<Code, Floats> d8;
  const auto by = hn::Set(d, scale);
  const auto zero = hn::Set(di, zero_point);
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto code = hn::Sub(hn::PromoteTo(di, hn::LoadU(d8, codes + i)), zero);
    hn::StoreU(hn::Mul(hn::ConvertTo(d, code), by), d, to + i);
  }
}

void DequantizeUnsigned(const std::uint8_t* codes, std::size_t count, float scale, std::int32_t zero_point, float* to) {
  DequantizeAll(codes, count, scale, zero_point, to);
}

void DequantizeSigned(const std::int8_t* codes, std::size_t count, float scale, std::int32_t zero_point, float* to) {
  DequantizeAll(codes, count, scale, zero_point, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

namespace {

HWY_EXPORT(QuantizeAll);
HWY_EXPORT(DequantizeUnsigned);
HWY_EXPORT(DequantizeSigned);

}  // namespace

void Quantize(const float* from, std::size_t count, float scale, std::int32_t zero_point, std::int32_t low,
              std::int32_t high, std::uint8_t* codes) {
  HWY_DYNAMIC_DISPATCH(QuantizeAll)(from, count, scale, zero_point, low, high, codes);
}

void Dequantize(const std::uint8_t* codes, std::size_t count, float scale, std::int32_t zero_point, float* to) {
  HWY_DYNAMIC_DISPATCH(DequantizeUnsigned)(codes, count, scale, zero_point, to);
}

void Dequantize(const std::int8_t* codes, std::size_t count, float scale, std::int32_t zero_point, float* to) {
  HWY_DYNAMIC_DISPATCH(DequantizeSigned)(codes, count, scale, zero_point, to);
}

}  // namespace punctual::native
#endif  // HWY_ONCE
