#include "market/simulated_book.h"

#include <algorithm>

#include "punctual/market.h"

namespace punctual {
namespace {

// Levels kept of a side; those beyond are forgotten, and thin sides are filled up from behind.
constexpr std::size_t kMinLevels = kMaxBookLevels + 4;
constexpr std::size_t kMaxLevels = kMinLevels + 16;

// Shares of limit and market orders; the rest are cancellations.
constexpr double kLimitShare = 0.54;
constexpr double kMarketShare = 0.06;
// Orders in a step: 1 and a geometric number more.
constexpr double kMoreOrders = 0.7;
constexpr int kMostOrders = 40;

// The pressure's pull back to 0 in a step, and how hard it is pushed; about 200 steps are its memory.
constexpr double kPressureKeep = 0.995;
constexpr double kPressurePush = 0.035;
constexpr double kMostPressure = 0.9;

}  // namespace

SimulatedBook::SimulatedBook(std::int64_t mid_tick, std::uint64_t seed) : random_(seed) {
  Add(asks_, mid_tick + 1, OrderLots());
  Add(bids_, mid_tick - 1, OrderLots());
  FillUp(asks_);
  FillUp(bids_);
}

void SimulatedBook::Step() {
  pressure_ = std::clamp(kPressureKeep * pressure_ + kPressurePush * random_.Normal(), -kMostPressure, kMostPressure);
  if (bids_.levels.front().tick <= kLowestBid) pressure_ = 1;
  const double buy = (1 + pressure_) / 2;

  const int orders = 1 + random_.Geometric(kMoreOrders, kMostOrders);
  for (int i = 0; i < orders; ++i) {
    const double kind = random_.Uniform();
    const bool buyer = random_.Chance(buy);
    if (kind < kLimitShare) {
      buyer ? Limit(bids_, asks_) : Limit(asks_, bids_);
    } else if (kind < kLimitShare + kMarketShare) {
      Market(buyer ? asks_ : bids_);
    } else {
      Cancel(buyer ? asks_ : bids_);  // who no longer sells is on the buyers' side
    }
  }
}

// Most orders are small, a few are large.
std::int64_t SimulatedBook::OrderLots() {
  const double mean = random_.Chance(0.1) ? 300 : 40;
  return 1 + static_cast<std::int64_t>(mean * random_.Exponential());
}

// Joins the best price, goes behind it, or goes between the best prices where there is room.
void SimulatedBook::Limit(Side& side, const Side& other) {
  const std::int64_t best = side.levels.front().tick;
  const std::int64_t room = side.sign * (best - other.levels.front().tick) - 1;  // free ticks between the best prices
  std::int64_t tick = best + side.sign * random_.Geometric(0.75, 30);
  if (room > 0 && random_.Chance(0.6))
    tick = best - side.sign * static_cast<std::int64_t>(1 + random_.Below(static_cast<std::uint64_t>(room)));
  Add(side, tick, OrderLots());
}

void SimulatedBook::Market(Side& side) {
  std::int64_t lots = OrderLots();
  // The book ends somewhere: what is left of an order that goes through it is not done.
  std::size_t gone = 0;
  while (gone < kMaxBookLevels && side.levels[gone].lots <= lots) lots -= side.levels[gone++].lots;
  side.levels[gone].lots -= std::min(lots, side.levels[gone].lots - 1);
  side.levels.erase(side.levels.begin(), side.levels.begin() + static_cast<std::ptrdiff_t>(gone));
  FillUp(side);
}

// Takes a part of what stands at a price: more orders stand there, more are taken back, so that sizes do not grow
// forever.
void SimulatedBook::Cancel(Side& side) {
  const auto at = static_cast<std::size_t>(random_.Geometric(0.8, static_cast<int>(side.levels.size()) - 1));
  Level& level = side.levels[at];
  const auto lots = 1 + static_cast<std::int64_t>(random_.Uniform() * static_cast<double>(level.lots));
  if (random_.Chance(0.1) || lots >= level.lots) {
    side.levels.erase(side.levels.begin() + static_cast<std::ptrdiff_t>(at));
    FillUp(side);
  } else {
    level.lots -= lots;
  }
}

void SimulatedBook::Add(Side& side, std::int64_t tick, std::int64_t lots) {
  auto& levels = side.levels;
  const auto at = std::find_if(levels.begin(), levels.end(),
                               [&](const Level& level) { return side.sign * level.tick >= side.sign * tick; });
  if (at != levels.end() && at->tick == tick)
    at->lots += lots;
  else
    levels.insert(at, {tick, lots});
  if (levels.size() > kMaxLevels) levels.pop_back();
}

void SimulatedBook::FillUp(Side& side) {
  while (side.levels.size() < kMinLevels)
    side.levels.push_back({side.levels.back().tick + side.sign * (1 + random_.Geometric(0.4, 5)), OrderLots()});
}

}  // namespace punctual
