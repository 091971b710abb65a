// One order book under random order flow: limit orders, market orders and cancellations that come in around the touch,
// with sizes in lots and prices in ticks. After the zero-intelligence models of Smith, Farmer, Gillemot, Krishnamurthy,
// "Statistical theory of the continuous double auction" (2003), and Cont, Stoikov, Talreja, "A stochastic model for
// order book dynamics" (2010); the flow leans to one side by a pressure that wanders slowly, so that what rests in the
// book says something about where the price goes. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "market/random.h"

namespace punctual {

class SimulatedBook {
 public:
  struct Level {
    std::int64_t tick = 0;
    std::int64_t lots = 0;  // > 0
  };

  // At least this high stays the best bid, so that prices stay positive: below it nobody sells.
  static constexpr std::int64_t kLowestBid = 1000;

  // Starts with best prices around `mid_tick`. REQUIRES: mid_tick > kLowestBid.
  SimulatedBook(std::int64_t mid_tick, std::uint64_t seed);

  // Lets a few orders come in.
  void Step();

  // The best first; the asks' ticks rise, the bids' fall, at least kMaxBookLevels of each, never crossed.
  const std::vector<Level>& asks() const { return asks_.levels; }
  const std::vector<Level>& bids() const { return bids_.levels; }
  // From -1 (all sell) to 1 (all buy).
  double pressure() const { return pressure_; }

 private:
  // Asks have sign 1 and bids -1: multiplied by it, worse prices are higher on both sides.
  struct Side {
    std::int64_t sign;
    std::vector<Level> levels;
  };

  void Limit(Side& side, const Side& other);
  void Market(Side& side);
  void Cancel(Side& side);
  void Add(Side& side, std::int64_t tick, std::int64_t lots);
  void FillUp(Side& side);
  std::int64_t OrderLots();

  Random random_;
  Side asks_{1, {}};
  Side bids_{-1, {}};
  double pressure_ = 0;
};

}  // namespace punctual
