#include "model/split_bins.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace punctual {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSmallestNormal = std::numeric_limits<float>::min();

// A value of [low, high) that no engine takes for another: numbers below the normal ones may count as zero.
float Representative(float low, float high) {
  for (const float value : {0.0f, low, std::nextafter(high, -kInfinity), kSmallestNormal, -kSmallestNormal})
    if (value >= low && value < high && std::isfinite(value) && (value == 0 || std::isnormal(value))) return value;
  return low;
}

}  // namespace

void SplitBins::Add(std::size_t feature, SplitMode mode, float threshold) {
  std::vector<float>& edges = features_[feature].edges;
  const bool at = mode != SplitMode::kLessOrEqual && mode != SplitMode::kGreater;
  const bool after = mode != SplitMode::kLess && mode != SplitMode::kGreaterOrEqual;
  if (at) edges.push_back(threshold);
  if (after) edges.push_back(std::nextafter(threshold, kInfinity));  // x > t is x >= the next float
}

void SplitBins::Finish() {
  for (Feature& feature : features_) {
    std::vector<float>& edges = feature.edges;
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    for (std::size_t bin = 0; bin <= edges.size(); ++bin)
      feature.representatives.push_back(
          Representative(bin == 0 ? -kInfinity : edges[bin - 1], bin == edges.size() ? kInfinity : edges[bin]));
  }
}

std::size_t SplitBins::Feature::BinOf(float value) const {
  return static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), value) - edges.begin());
}

void SplitBins::Encode(std::span<const float> values, std::span<std::byte> out) const {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t bin = static_cast<std::uint32_t>(features_[i].BinOf(values[i]));
    std::memcpy(out.data() + i * sizeof bin, &bin, sizeof bin);
  }
}

void SplitBins::Canonicalise(std::span<float> values) const {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Feature& feature = features_[i];
    values[i] = feature.representatives[feature.BinOf(values[i])];
  }
}

}  // namespace punctual
