// Products with weights that were packed in panels: `vectors` columns of vectors, all rows of which stand together, so
// that one pass over a panel leaves its results in registers.

// Included once a target: see hwy/foreach_target.h.
#if defined(PUNCTUAL_NATIVE_PANEL_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_NATIVE_PANEL_PRODUCT_INL_H_
#undef PUNCTUAL_NATIVE_PANEL_PRODUCT_INL_H_
#else
#define PUNCTUAL_NATIVE_PANEL_PRODUCT_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace recurrent {

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

// Accumulators, and what else a product needs, must fit the registers: 32 with AVX-512, else 16.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
inline constexpr std::size_t kMostPanelVectors = 16;
inline constexpr std::size_t kMatrixVectors = 5;
inline constexpr std::size_t kMatrixRows = 5;
#else
inline constexpr std::size_t kMostPanelVectors = 12;
inline constexpr std::size_t kMatrixVectors = 2;
inline constexpr std::size_t kMatrixRows = 6;
#endif

// Panels of a batch: fewer vectors, of more rows.
inline constexpr std::size_t kBatchVectors = 4;

// How many rows of a batch go through a panel together: of the numbers that fit the registers, that with the least to
// do. The last rows of a batch are computed twice if there are too few.
inline std::size_t RowsTogether(std::size_t batch) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  constexpr std::size_t kChoices[] = {6, 4, 3, 2};
#else
  constexpr std::size_t kChoices[] = {3, 2};
#endif
  std::size_t best = 1, least = std::numeric_limits<std::size_t>::max();
  for (const std::size_t choice : kChoices) {
    const std::size_t computed = (batch + choice - 1) / choice * choice;
    if (choice <= batch && computed < least) best = choice, least = computed;
  }
  return best;
}

// The way through a panel: rows upwards, or, so that what the last pass left in the nearest cache comes first, back
// down again.
enum class Way { kUp, kDown };

// out[v] = init[v] + sum over rows of x[row] * panel[row][v], for v in kVectors vectors. A pass upwards takes the last
// x first (panel[row] belongs to x[rows - 1 - row]).
template <std::size_t kVectors>
HWY_NOINLINE void PanelTimesVector(const float* panel, const float* x, std::size_t rows, Way way, const float* init,
                                   float* out) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  // An accumulator is ready for its next addition after four cycles, in which eight can be begun: panels of few vectors
  // take several for each.
  constexpr std::size_t kWays = kVectors >= 6 ? 1 : kVectors >= 3 ? 2 : 4;
  FloatVector sums[kWays][kVectors];
  HWY_UNROLL(32)
  for (std::size_t v = 0; v < kVectors; ++v) sums[0][v] = hn::LoadU(d, init + v * lanes);
  HWY_UNROLL(4)
  for (std::size_t w = 1; w < kWays; ++w) {
    HWY_UNROLL(32)
    for (std::size_t v = 0; v < kVectors; ++v) sums[w][v] = hn::Zero(d);
  }
  const auto width = static_cast<std::ptrdiff_t>(kVectors * lanes);
  const std::ptrdiff_t step = way == Way::kUp ? width : -width;
  const std::ptrdiff_t x_step = way == Way::kUp ? -1 : 1;
  const float* row = way == Way::kUp ? panel : panel + (rows - 1) * static_cast<std::size_t>(width);
  const float* at = way == Way::kUp ? x + (rows - 1) : x;
  std::size_t left = rows;
  for (; left >= kWays; left -= kWays) {
    HWY_UNROLL(4)
    for (std::size_t w = 0; w < kWays; ++w) {
      const FloatVector one = hn::Set(d, *at);
      HWY_UNROLL(32)
      for (std::size_t v = 0; v < kVectors; ++v) sums[w][v] = hn::MulAdd(one, hn::Load(d, row + v * lanes), sums[w][v]);
      row += step;
      at += x_step;
    }
  }
  if constexpr (kWays > 1) {
    for (; left > 0; --left) {
      const FloatVector one = hn::Set(d, *at);
      HWY_UNROLL(32)
      for (std::size_t v = 0; v < kVectors; ++v) sums[0][v] = hn::MulAdd(one, hn::Load(d, row + v * lanes), sums[0][v]);
      row += step;
      at += x_step;
    }
    HWY_UNROLL(4)
    for (std::size_t w = 1; w < kWays; ++w) {
      HWY_UNROLL(32)
      for (std::size_t v = 0; v < kVectors; ++v) sums[0][v] = hn::Add(sums[0][v], sums[w][v]);
    }
  }
  HWY_UNROLL(32)
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[0][v], d, out + v * lanes);
}

// The same for a panel of `vectors` vectors. REQUIRES: 1 <= vectors <= kMostPanelVectors.
template <std::size_t... kIndices>
HWY_INLINE void PanelTimesVector(std::index_sequence<kIndices...>, std::size_t vectors, const float* panel,
                                 const float* x, std::size_t rows, Way way, const float* init, float* out) {
  using Product = void (*)(const float*, const float*, std::size_t, Way, const float*, float*);
  static constexpr Product kProducts[] = {&PanelTimesVector<kIndices + 1>...};
  kProducts[vectors - 1](panel, x, rows, way, init, out);
}
HWY_INLINE void PanelTimesVector(std::size_t vectors, const float* panel, const float* x, std::size_t rows, Way way,
                                 const float* init, float* out) {
  PanelTimesVector(std::make_index_sequence<kMostPanelVectors>(), vectors, panel, x, rows, way, init, out);
}

// PanelTimesVector, upwards, for kRows rows of x, init and out; the strides in floats.
template <std::size_t kVectors, std::size_t kRows>
HWY_NOINLINE void PanelTimesBatch(const float* panel, const float* x, std::size_t x_stride, std::size_t rows,
                                  const float* init, std::size_t init_stride, float* out) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  FloatVector sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::LoadU(d, init + r * init_stride + v * lanes);
  }
  for (std::size_t k = 0; k < rows; ++k) {
    FloatVector ones[kRows];
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) ones[r] = hn::Set(d, x[r * x_stride + (rows - 1 - k)]);
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const FloatVector weight = hn::Load(d, panel + (k * kVectors + v) * lanes);
      HWY_UNROLL(8)
      for (std::size_t r = 0; r < kRows; ++r) sums[r][v] = hn::MulAdd(ones[r], weight, sums[r][v]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, out + (r * kVectors + v) * lanes);
  }
}

// The same for a panel of 1 to kBatchVectors vectors, and as many rows as RowsTogether says.
template <std::size_t kRows>
HWY_INLINE void PanelTimesBatch(std::size_t vectors, const float* panel, const float* x, std::size_t x_stride,
                                std::size_t rows, const float* init, std::size_t init_stride, float* out) {
  switch (vectors) {
    case 1: return PanelTimesBatch<1, kRows>(panel, x, x_stride, rows, init, init_stride, out);
    case 2: return PanelTimesBatch<2, kRows>(panel, x, x_stride, rows, init, init_stride, out);
    case 3: return PanelTimesBatch<3, kRows>(panel, x, x_stride, rows, init, init_stride, out);
    default: return PanelTimesBatch<kBatchVectors, kRows>(panel, x, x_stride, rows, init, init_stride, out);
  }
}
HWY_INLINE void PanelTimesBatch(std::size_t together, std::size_t vectors, const float* panel, const float* x,
                                std::size_t x_stride, std::size_t rows, const float* init, std::size_t init_stride,
                                float* out) {
  switch (together) {
    case 2: return PanelTimesBatch<2>(vectors, panel, x, x_stride, rows, init, init_stride, out);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    case 4: return PanelTimesBatch<4>(vectors, panel, x, x_stride, rows, init, init_stride, out);
    case 6: return PanelTimesBatch<6>(vectors, panel, x, x_stride, rows, init, init_stride, out);
#endif
    default: return PanelTimesBatch<3>(vectors, panel, x, x_stride, rows, init, init_stride, out);
  }
}

// Bytes that are read soon, to be brought into the second cache meanwhile: some with each row of weights.
struct ReadSoon {
  const char* at;
  std::size_t step;
};

// kRows rows of out = init + x * panel; the strides in floats.
template <std::size_t kVectors, std::size_t kRows>
HWY_NOINLINE void PanelTimesRows(const float* panel, const float* x, std::size_t x_stride, std::size_t depth,
                                 const float* init, float* out, std::size_t out_stride, ReadSoon soon) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  FloatVector sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (std::size_t v = 0; v < kVectors; ++v) {
    sums[0][v] = hn::LoadU(d, init + v * lanes);
    HWY_UNROLL(8)
    for (std::size_t r = 1; r < kRows; ++r) sums[r][v] = sums[0][v];
  }
  for (std::size_t k = 0; k < depth; ++k) {
    __builtin_prefetch(soon.at, 0, 2);
    soon.at += soon.step;
    FloatVector weights[kVectors];
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) weights[v] = hn::Load(d, panel + (k * kVectors + v) * lanes);
    HWY_UNROLL(8)
    for (std::size_t r = 0; r < kRows; ++r) {
      const FloatVector one = hn::Set(d, x[r * x_stride + k]);
      HWY_UNROLL(8)
      for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(one, weights[v], sums[r][v]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t r = 0; r < kRows; ++r) {
    HWY_UNROLL(8)
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[r][v], d, out + r * out_stride + v * lanes);
  }
}

template <std::size_t kVectors>
HWY_INLINE void PanelTimesMatrix(const float* panel, const float* x, std::size_t rows, std::size_t depth,
                                 const float* init, float* out, std::size_t out_stride, ReadSoon& soon) {
  if (rows < kMatrixRows) {
    for (std::size_t r = 0; r < rows; ++r)
      PanelTimesRows<kVectors, 1>(panel, x + r * depth, depth, depth, init, out + r * out_stride, out_stride, soon);
    return;
  }
  for (std::size_t done = 0; done < rows; done += kMatrixRows) {
    // The last ones again rather than another kernel for what is left.
    const std::size_t r = done + kMatrixRows <= rows ? done : rows - kMatrixRows;
    PanelTimesRows<kVectors, kMatrixRows>(panel, x + r * depth, depth, depth, init, out + r * out_stride, out_stride,
                                          soon);
    soon.at += depth * soon.step;
  }
}

// Columns of a panel of the matrix: of about equal size, as the smallest would be the slowest. REQUIRES: `columns` is a
// multiple of the lanes.
inline std::size_t MatrixPanelColumns(std::size_t columns) {
  const std::size_t lanes = hn::Lanes(FloatTag());
  const std::size_t vectors = columns / lanes;
  const std::size_t panels = (vectors + kMatrixVectors - 1) / kMatrixVectors;
  return (vectors + panels - 1) / panels * lanes;
}

// out[rows][columns] = init[columns] + x[rows][depth] * weights. The weights: panels of MatrixPanelColumns(columns),
// the last one of what is left. REQUIRES: `columns` is a multiple of the lanes.
//
// Of what stands behind the weights, `read_next` floats are read next. Those and the weights may be far away: they are
// brought near on the way, which costs nothing while the multipliers are all that is busy.
HWY_INLINE void PanelsTimesMatrix(const float* weights, std::size_t columns, const float* x, std::size_t rows,
                                  std::size_t depth, const float* init, float* out, std::size_t read_next) {
  const std::size_t lanes = hn::Lanes(FloatTag());
  const std::size_t most = MatrixPanelColumns(columns);
  const std::size_t tiles = (columns + most - 1) / most * ((rows + kMatrixRows - 1) / kMatrixRows);
  ReadSoon soon{reinterpret_cast<const char*>(weights),
                (columns * depth + read_next) * sizeof(float) / (tiles * depth)};
  if (rows < kMatrixRows) soon.step = 0;  // they are read at once
  for (std::size_t column = 0; column < columns; column += most) {
    const float* const panel = weights + column * depth;
    switch (std::min(most, columns - column) / lanes) {
      case 1: PanelTimesMatrix<1>(panel, x, rows, depth, init + column, out + column, columns, soon); break;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
      case 2: PanelTimesMatrix<2>(panel, x, rows, depth, init + column, out + column, columns, soon); break;
      case 3: PanelTimesMatrix<3>(panel, x, rows, depth, init + column, out + column, columns, soon); break;
      case 4: PanelTimesMatrix<4>(panel, x, rows, depth, init + column, out + column, columns, soon); break;
#endif
      default:
        PanelTimesMatrix<kMatrixVectors>(panel, x, rows, depth, init + column, out + column, columns, soon);
        break;
    }
  }
}

}  // namespace recurrent
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
