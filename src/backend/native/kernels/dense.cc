#include "backend/native/kernels/dense.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/dense.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "backend/native/kernels/dense_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {

using namespace dense;

// Weights that the first cache holds beside what else is needed.
constexpr std::size_t kNearFloats = 6 * 1024;
// Rows that are gone through at once while the weights stay near.
constexpr std::size_t kRowBlock = 96;

// Sums of one output run in several chains where there are too few outputs to keep the multipliers busy in one row.
// Also where several rows are computed, so that they do not change a bit.
constexpr std::size_t ChainsFor(std::size_t vectors, bool has_many_rows) {
  if (has_many_rows) return 1;
  if (kMostSums >= 24 && vectors <= 2) return 4;
  return vectors <= 4 ? 2 : 1;
}

// The outputs in panels of about equal size.
struct Panels {
  explicit Panels(const DenseShape& shape)
      : vectors((shape.outputs + kLanes - 1) / kLanes),
        count(shape.has_many_rows ? (vectors + kMostVectors - 1) / kMostVectors
                                  : (vectors + kMostVectorsOfFewRows - 1) / kMostVectorsOfFewRows),
        each(count == 0 ? 0 : vectors / count),
        with_one_more(count == 0 ? 0 : vectors % count) {}
  // The first vector of a panel.
  std::size_t Begin(std::size_t panel) const { return panel * each + std::min(panel, with_one_more); }
  std::size_t vectors, count, each, with_one_more;
};

template <std::size_t kVectors, std::size_t kChains>
void RunStrip(const Strip& strip, std::size_t begin, std::size_t end) {
  constexpr std::size_t kMost = RowsOfTile(kVectors, kChains);
  while (begin < end) {
    const std::size_t left = end - begin;
    // Tiles of about equal size: a last one of a single row would take as long as a full one.
    const std::size_t tiles = (left + kMost - 1) / kMost;
    const std::size_t rows = tiles == 1 ? left : (left + tiles - 1) / tiles;
    switch (rows) {
      case 1: Tile<1, kVectors, kChains>(strip, begin); break;
      case 2: Tile<std::min<std::size_t>(2, kMost), kVectors, kChains>(strip, begin); break;
      case 3: Tile<std::min<std::size_t>(3, kMost), kVectors, kChains>(strip, begin); break;
      case 4: Tile<std::min<std::size_t>(4, kMost), kVectors, kChains>(strip, begin); break;
      case 5: Tile<std::min<std::size_t>(5, kMost), kVectors, kChains>(strip, begin); break;
      case 6: Tile<std::min<std::size_t>(6, kMost), kVectors, kChains>(strip, begin); break;
      case 7: Tile<std::min<std::size_t>(7, kMost), kVectors, kChains>(strip, begin); break;
      case 8: Tile<std::min<std::size_t>(8, kMost), kVectors, kChains>(strip, begin); break;
      case 9: Tile<std::min<std::size_t>(9, kMost), kVectors, kChains>(strip, begin); break;
      case 10: Tile<std::min<std::size_t>(10, kMost), kVectors, kChains>(strip, begin); break;
      case 11: Tile<std::min<std::size_t>(11, kMost), kVectors, kChains>(strip, begin); break;
      default: Tile<kMost, kVectors, kChains>(strip, begin); break;
    }
    if (!IsSimple(strip.output.first.kind) || !IsSimple(strip.output.second.kind))
      for (std::size_t r = 0; r < rows; ++r) Finish(strip.output, begin + r, strip.outputs);
    begin += rows;
  }
}

template <std::size_t kChains, std::size_t... kIndices>
void RunVectors(std::index_sequence<kIndices...>, std::size_t vectors, const Strip& strip, std::size_t begin,
                std::size_t end) {
  using Run = void (*)(const Strip&, std::size_t, std::size_t);
  static constexpr Run kRuns[] = {&RunStrip<kIndices + 1, kChains>...};
  kRuns[vectors - 1](strip, begin, end);
}

// A strip of that many vectors.
void RunVectors(std::size_t vectors, std::size_t chains, const Strip& strip, std::size_t begin, std::size_t end) {
  if (chains == 1)
    RunVectors<1>(std::make_index_sequence<kMostVectorsOfFewRows>(), vectors, strip, begin, end);
  else if (chains == 2)
    RunVectors<2>(std::make_index_sequence<4>(), vectors, strip, begin, end);
  else if constexpr (kMostSums >= 24)
    RunVectors<4>(std::make_index_sequence<2>(), vectors, strip, begin, end);
}

// `strip` but for a part of its vectors.
Strip PartOf(const Strip& strip, std::size_t first_vector) {
  Strip part = strip;
  const std::size_t skipped = first_vector * kLanes;
  part.weights += skipped;
  if (part.bias != nullptr) part.bias += skipped;
  part.output.out += skipped;
  if (part.output.residual != nullptr) part.output.residual += skipped;
  part.outputs -= skipped;
  return part;
}

// A panel, whole where few rows stream through its weights, and else in parts that make good tiles.
void RunPanel(const Strip& strip, std::size_t vectors, std::size_t chains, std::size_t begin, std::size_t end) {
  const std::size_t rows = end - begin;
  // Wide and low tiles load more weights a product; narrow ones have too few sums to keep the multipliers busy.
  constexpr std::size_t kWide = kMostSums >= 24 ? 4 : 2;
  const std::size_t most = rows == 1 ? vectors : std::max(kWide, kMostSums / (rows * chains));
  if (vectors <= most) return RunVectors(vectors, chains, strip, begin, end);
  const std::size_t parts = (vectors + most - 1) / most;
  for (std::size_t v = 0, left = parts; v < vectors; --left) {
    const std::size_t now = (vectors - v + left - 1) / left;
    Strip part = PartOf(strip, v);
    part.outputs = std::min(part.outputs, now * kLanes);
    RunVectors(now, chains, part, begin, end);
    v += now;
  }
}

constexpr std::size_t kMostListed = 2048;

// Of up to eight lanes, those whose bit is set.
constexpr auto kLanesOf = [] {
  std::array<std::array<std::uint8_t, 8>, 256> lanes{};
  for (std::size_t bits = 0; bits < lanes.size(); ++bits)
    for (std::size_t lane = 0, count = 0; lane < 8; ++lane)
      if ((bits >> lane & 1) != 0) lanes[bits][count++] = static_cast<std::uint8_t>(lane);
  return lanes;
}();

// The channels of a row that are not zero. `channels`: room for as many, and a vector more. By a table of our own:
// Highway 1.0.3's Compress copies its table to the stack each time on AVX2, and its Iota waits for what it just stored.
std::size_t List(const float* x, std::size_t count, std::int32_t* channels) {
  const hn::CappedTag<float, 8> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  constexpr std::size_t kStep = hn::MaxLanes(d);
  std::size_t listed = 0;
  for (std::size_t k = 0; k < count; k += kStep) {
    std::uint8_t is_used[8];  // as many may be written
    hn::StoreMaskBits(d, hn::Ne(hn::LoadU(d, x + k), hn::Zero(d)), is_used);
    const unsigned bits = count - k < kStep ? is_used[0] & ((1u << (count - k)) - 1) : is_used[0];
    const auto lanes = hn::PromoteTo(di, hn::LoadU(bytes, kLanesOf[bits].data()));
    hn::StoreU(hn::Add(lanes, hn::Set(di, static_cast<std::int32_t>(k))), di, channels + listed);
    listed += static_cast<std::size_t>(std::popcount(bits));
  }
  return listed;
}

template <std::size_t... kIndices>
void RunFew(std::index_sequence<kIndices...>, const Strip& strip, std::size_t vectors, std::size_t row,
            const std::int32_t* channels, std::size_t count) {
  using Run = void (*)(const Strip&, std::size_t, const std::int32_t*, std::size_t);
  static constexpr Run kRuns[] = {&TileOfFew<kIndices + 1>...};
  kRuns[vectors - 1](strip, row, channels, count);
  if (!IsSimple(strip.output.first.kind) || !IsSimple(strip.output.second.kind))
    Finish(strip.output, row, strip.outputs);
}

std::size_t DensePackedCount(const DenseShape& shape) {
  return Panels(shape).vectors * kLanes * (shape.taps * shape.channels + 1);
}

void DensePack(const DenseShape& shape, const float* weights, const float* bias, float* packed) {
  const Panels panels(shape);
  std::memset(packed, 0, DensePackedCount(shape) * sizeof(float));
  // Not -0: then adding products with zeros never changes a bit.
  if (bias != nullptr)
    for (std::size_t n = 0; n < shape.outputs; ++n) packed[n] = bias[n] + 0.0f;
  float* to = packed + panels.vectors * kLanes;
  for (std::size_t panel = 0; panel < panels.count; ++panel) {
    const std::size_t begin = panels.Begin(panel) * kLanes;
    const std::size_t width = panels.Begin(panel + 1) * kLanes - begin;
    const std::size_t used = std::min(width, shape.outputs - begin);
    for (std::size_t k = 0; k < shape.taps * shape.channels; ++k, to += width)
      std::memcpy(to, weights + k * shape.outputs + begin, used * sizeof(float));
  }
}

void DenseRun(const DenseShape& shape, std::size_t rows, const float* packed, const DenseInput& input,
              const DenseOutput& output) {
  const Panels panels(shape);
  const std::size_t chains = ChainsFor(panels.vectors, shape.has_many_rows);
  const std::size_t depth = shape.taps * shape.channels;
  // Rows again and again through weights that are near, or weights again and again past rows that are.
  const bool is_near = depth * panels.vectors * kLanes <= kNearFloats;
  const std::size_t block = is_near ? kRowBlock : std::max<std::size_t>(rows, 1);
  // Worth a look at the row where its weights come from afar.
  std::int32_t used[kMostListed + kLanes];
  std::size_t used_count = depth;
  if (input.has_many_zeros && !shape.has_many_rows && rows == 1 && !is_near && chains == 1 && shape.taps == 1 &&
      depth <= kMostListed && input.offsets == nullptr)
    used_count = List(input.in, depth, used);
  const bool is_sparse = used_count < depth - depth / 4;
  for (std::size_t begin = 0; begin < rows; begin += block) {
    const std::size_t end = std::min(rows, begin + block);
    Strip strip{rows, shape.taps, shape.channels, packed + panels.vectors * kLanes, 0, packed, input, output, 0};
    for (std::size_t panel = 0; panel < panels.count; ++panel) {
      const std::size_t first = panels.Begin(panel);
      const std::size_t vectors = panels.Begin(panel + 1) - first;
      strip.weight_stride = vectors * kLanes;
      strip.outputs = std::min(vectors * kLanes, shape.outputs - first * kLanes);
      if (is_sparse)
        RunFew(std::make_index_sequence<kMostVectorsOfFewRows>(), strip, vectors, begin, used, used_count);
      else
        RunPanel(strip, vectors, chains, begin, end);
      strip.weights += depth * strip.weight_stride;
      strip.bias += strip.weight_stride;
      strip.output.out += strip.weight_stride;
      if (strip.output.residual != nullptr) strip.output.residual += strip.weight_stride;
    }
  }
}

void DenseRunUnpacked(const DenseShape& shape, std::size_t rows, const float* weights, std::size_t weight_stride,
                      const DenseInput& input, const DenseOutput& output) {
  if (rows == 0) return;
  const Panels panels(shape);
  const std::size_t chains = ChainsFor(panels.vectors, shape.has_many_rows);
  const Strip strip{rows, 1, shape.channels, weights, weight_stride, nullptr, input, output, shape.outputs};
  for (std::size_t panel = 0; panel < panels.count; ++panel) {
    const std::size_t first = panels.Begin(panel);
    const std::size_t vectors = panels.Begin(panel + 1) - first;
    Strip part = PartOf(strip, first);
    part.outputs = std::min(part.outputs, vectors * kLanes);
    RunPanel(part, vectors, chains, 0, rows);
  }
}

void DenseActivate(ActivationWith activation, float* p, std::size_t count) {
  const D d;
  for (std::size_t i = 0; i < count; i += kLanes)
    StoreSome(ActivateAny(activation, hn::LoadU(d, p + i)), count - i, p + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

HWY_EXPORT(DensePackedCount);
HWY_EXPORT(DensePack);
HWY_EXPORT(DenseRun);
HWY_EXPORT(DenseRunUnpacked);
HWY_EXPORT(DenseActivate);

std::size_t PackedDenseCount(const DenseShape& shape) { return HWY_DYNAMIC_DISPATCH(DensePackedCount)(shape); }

void PackDense(const DenseShape& shape, const float* weights, const float* bias, float* packed) {
  HWY_DYNAMIC_DISPATCH(DensePack)(shape, weights, bias, packed);
}

void RunDense(const DenseShape& shape, std::size_t rows, const float* packed, const DenseInput& input,
              const DenseOutput& output) {
  HWY_DYNAMIC_DISPATCH(DenseRun)(shape, rows, packed, input, output);
}

void RunDenseUnpacked(const DenseShape& shape, std::size_t rows, const float* weights, std::size_t weight_stride,
                      const DenseInput& input, const DenseOutput& output) {
  HWY_DYNAMIC_DISPATCH(DenseRunUnpacked)(shape, rows, weights, weight_stride, input, output);
}

void Activate(ActivationWith activation, float* p, std::size_t count) {
  HWY_DYNAMIC_DISPATCH(DenseActivate)(activation, p, count);
}

}  // namespace punctual::native
#endif  // HWY_ONCE
