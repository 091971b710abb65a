// The lowest byte of each lane. Included once for each target (Highway's way).
#if defined(PUNCTUAL_LOW_BYTES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_LOW_BYTES_INL_H
#undef PUNCTUAL_LOW_BYTES_INL_H
#else
#define PUNCTUAL_LOW_BYTES_INL_H
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {

template <class D>
HWY_INLINE void StoreLowBytes(D /*d*/, hwy::HWY_NAMESPACE::Vec<D> v, std::uint8_t* to) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint8_t, D> d8;
#if HWY_CAP_GE512
  // Highway 1.0.3's TruncateTo takes the wrong bytes of 512 bits.
  if constexpr (hn::MaxLanes(D()) == 16)
    return hn::StoreU(hn::Vec128<std::uint8_t>{_mm512_cvtepi32_epi8(v.raw)}, d8, to);
#endif
  hn::StoreU(hn::TruncateTo(d8, hn::BitCast(hn::RebindToUnsigned<D>(), v)), d8, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
