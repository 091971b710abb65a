#include "model/shadow_comparison.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/difference.h"

namespace punctual {

namespace {

// Of the model's own number, what one that stands in for it may be off.
constexpr double kNear = 0.1;

bool IsSameClass(const OutputView& output, const Difference& difference) {
  if (!std::isfinite(difference.largest)) return false;
  if (!output.shape.empty() && output.shape.back() > 1) return !difference.argmax;
  const bool is_whole = output.dtype == DType::kInt32 || output.dtype == DType::kInt64;
  return difference.largest <= (is_whole ? 0 : kNear * difference.scale);
}

}  // namespace

std::string_view StandInName(StandIn stand_in) {
  switch (stand_in) {
    case StandIn::kStudent: return "student";
    case StandIn::kInt8: return "int8";
    case StandIn::kBf16: return "bf16";
  }
  return "";
}

std::optional<StandIn> StandInOf(std::string_view name) {
  for (const StandIn stand_in : kStandIns)
    if (StandInName(stand_in) == name) return stand_in;
  return std::nullopt;
}

void ShadowComparison::Record(StandIn stand_in, const Outputs& models, const Outputs& stand_ins) {
  if (models.size() == 0 || stand_ins.size() == 0) return;
  const OutputView output = models[0];
  const Difference difference = Compare(output, stand_ins[0]);
  const bool differs = !IsSameClass(output, difference);
  MutexLock lock(mutex_);
  Compared& of = of_[static_cast<std::size_t>(stand_in)];
  of.differences[of.compared % kWindow] = difference.largest;
  ++of.compared;
  of.differed += differs;
}

void ShadowComparison::CountDropped(StandIn stand_in) {
  MutexLock lock(mutex_);
  ++of_[static_cast<std::size_t>(stand_in)].dropped;
}

ShadowComparison::Stats ShadowComparison::stats(StandIn stand_in) const {
  MutexLock lock(mutex_);
  const Compared& of = of_[static_cast<std::size_t>(stand_in)];
  Stats stats{of.compared, of.differed, of.dropped, 0};
  const auto last = std::min<std::uint64_t>(of.compared, kWindow);
  if (last == 0) return stats;
  // Summed anew: a sum that goes on would keep each rounding.
  const double sum = std::accumulate(of.differences.begin(), of.differences.begin() + static_cast<long>(last), 0.0);
  stats.mean_difference = sum / static_cast<double>(last);
  return stats;
}

}  // namespace punctual
