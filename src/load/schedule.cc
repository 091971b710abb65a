#include "load/schedule.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace punctual::load {

ZipfSampler::ZipfSampler(std::size_t count, double exponent) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) cumulative_.push_back(sum += std::pow(static_cast<double>(i + 1), -exponent));
  for (double& share : cumulative_) share /= sum;
}

std::uint32_t ZipfSampler::Draw(double unit) const {
  const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, unit);
  return static_cast<std::uint32_t>(found - cumulative_.begin());
}

Schedule::Schedule(double rate, Arrivals arrivals, double phase, std::vector<std::uint32_t> slots, ZipfSampler symbols,
                   std::uint64_t seed)
    : gap_s_(1 / rate),
      arrivals_(arrivals),
      slots_(std::move(slots)),
      symbols_(std::move(symbols)),
      random_(seed),
      at_s_(arrivals == Arrivals::kFixed ? phase / rate : 0) {}

Arrival Schedule::Next() {
  Arrival arrival;
  if (arrivals_ == Arrivals::kPoisson) {
    at_s_ -= gap_s_ * std::log1p(-UnitInterval(random_()));
    arrival.due = Duration(static_cast<std::int64_t>(at_s_ * 1e9));
    arrival.slot = slots_[random_() % slots_.size()];
  } else {
    arrival.due = Duration(static_cast<std::int64_t>((at_s_ + static_cast<double>(count_) * gap_s_) * 1e9));
    arrival.slot = slots_[count_ % slots_.size()];
  }
  ++count_;
  arrival.symbol = symbols_.Draw(UnitInterval(random_()));
  return arrival;
}

}  // namespace punctual::load
