#include "backend/native/kernels/pool.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/pool.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "backend/native/kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {

using D = dense::D;
using V = dense::V;
using dense::kLanes;
using dense::StoreSome;

void PoolMax(const PoolShape& shape, std::size_t rows, const float* in, const std::int32_t* offsets, float* out,
             std::size_t stride) {
  const D d;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < shape.channels; c += kLanes) {
      V most = hn::Set(d, -std::numeric_limits<float>::infinity());
      for (std::size_t t = 0; t < shape.taps; ++t)
        if (const std::int32_t offset = offsets[t * rows + r]; offset >= 0)
          most = hn::Max(most, hn::LoadU(d, in + offset + c));
      StoreSome(most, shape.channels - c, out + r * stride + c);
    }
  }
}

void PoolAverage(const PoolShape& shape, std::size_t rows, const float* in, const std::int32_t* offsets,
                 const float* counts, float* out, std::size_t stride) {
  const D d;
  for (std::size_t r = 0; r < rows; ++r) {
    const V count = hn::Set(d, counts[r]);
    for (std::size_t c = 0; c < shape.channels; c += kLanes) {
      V sum = hn::Zero(d);
      for (std::size_t t = 0; t < shape.taps; ++t)
        if (const std::int32_t offset = offsets[t * rows + r]; offset >= 0)
          sum = hn::Add(sum, hn::LoadU(d, in + offset + c));
      StoreSome(hn::Div(sum, count), shape.channels - c, out + r * stride + c);
    }
  }
}

void Depthwise(const PoolShape& shape, std::size_t rows, const float* weights, const float* bias,
               const DenseInput& input, const DenseOutput& output) {
  const D d;
  for (std::size_t r = 0; r < rows; ++r) {
    float* const out = output.out + r * output.stride;
    for (std::size_t c = 0; c < shape.channels; c += kLanes) {
      V sum = bias == nullptr ? hn::Zero(d) : hn::LoadU(d, bias + c);
      for (std::size_t t = 0; t < shape.taps; ++t)
        if (const std::int32_t offset = input.offsets[t * rows + r]; offset >= 0)
          sum = hn::MulAdd(hn::LoadU(d, input.in + offset + c), hn::LoadU(d, weights + t * shape.channels + c), sum);
      sum = dense::ActivateAny(output.first, sum);
      if (output.residual != nullptr)
        sum = hn::Add(sum, hn::LoadU(d, output.residual + r * output.residual_stride + c));
      StoreSome(dense::ActivateAny(output.second, sum), shape.channels - c, out + c);
    }
  }
}

void TransposeAll(const float* from, std::size_t batch, std::size_t rows, std::size_t columns, float* to) {
  for (std::size_t b = 0; b < batch; ++b, from += rows * columns, to += rows * columns) {
    std::size_t row = 0;
#if HWY_TARGET != HWY_SCALAR
    constexpr std::size_t kBlock = 4;
    const hn::FixedTag<float, 4> d;
    const hn::RepartitionToWide<decltype(d)> dd;
    for (; row + kBlock <= rows; row += kBlock) {
      const float* const in = from + row * columns;
      std::size_t column = 0;
      for (; column + kBlock <= columns; column += kBlock) {
        const auto a = hn::LoadU(d, in + column);
        const auto b1 = hn::LoadU(d, in + columns + column);
        const auto c = hn::LoadU(d, in + 2 * columns + column);
        const auto e = hn::LoadU(d, in + 3 * columns + column);
        const auto ab_low = hn::BitCast(dd, hn::InterleaveLower(d, a, b1));
        const auto ab_high = hn::BitCast(dd, hn::InterleaveUpper(d, a, b1));
        const auto ce_low = hn::BitCast(dd, hn::InterleaveLower(d, c, e));
        const auto ce_high = hn::BitCast(dd, hn::InterleaveUpper(d, c, e));
        float* const out = to + column * rows + row;
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab_low, ce_low)), d, out);
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab_low, ce_low)), d, out + rows);
        hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, ab_high, ce_high)), d, out + 2 * rows);
        hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, ab_high, ce_high)), d, out + 3 * rows);
      }
      for (; column < columns; ++column)
        for (std::size_t r = row; r < row + kBlock; ++r) to[column * rows + r] = from[r * columns + column];
    }
#endif
    for (; row < rows; ++row)
      for (std::size_t column = 0; column < columns; ++column) to[column * rows + row] = from[row * columns + column];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

HWY_EXPORT(PoolMax);
HWY_EXPORT(PoolAverage);
HWY_EXPORT(Depthwise);
HWY_EXPORT(TransposeAll);

void RunMaxPool(const PoolShape& shape, std::size_t rows, const float* in, const std::int32_t* offsets, float* out,
                std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(PoolMax)(shape, rows, in, offsets, out, stride);
}

void RunAveragePool(const PoolShape& shape, std::size_t rows, const float* in, const std::int32_t* offsets,
                    const float* counts, float* out, std::size_t stride) {
  HWY_DYNAMIC_DISPATCH(PoolAverage)(shape, rows, in, offsets, counts, out, stride);
}

void RunDepthwise(const PoolShape& shape, std::size_t rows, const float* weights, const float* bias,
                  const DenseInput& input, const DenseOutput& output) {
  HWY_DYNAMIC_DISPATCH(Depthwise)(shape, rows, weights, bias, input, output);
}

void TransposeEach(const float* from, std::size_t batch, std::size_t rows, std::size_t columns, float* to) {
  HWY_DYNAMIC_DISPATCH(TransposeAll)(from, batch, rows, columns, to);
}

}  // namespace punctual::native
#endif  // HWY_ONCE
