// Order books, as they come in. Values; no thread safety of their own.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "punctual/result.h"

namespace punctual {

inline constexpr int kMaxBookLevels = 20;

struct BookLevel {
  double ask_price = 0;
  double ask_size = 0;
  double bid_price = 0;
  double bid_size = 0;
};

// The best `level_count` levels of both sides of a book, at one moment.
struct BookSnapshot {
  std::uint64_t sequence = 0;                      // the feed's own numbering, rising; gaps are allowed
  std::int64_t exchange_time_ns = 0;               // Unix time at the exchange; 0: not known
  std::int64_t receive_time_ns = 0;                // Unix time at the receiver; 0: Publish fills it in
  int level_count = 0;                             // 1 to kMaxBookLevels
  std::array<BookLevel, kMaxBookLevels> levels{};  // [0] is the best

  std::span<const BookLevel> used_levels() const { return {levels.data(), static_cast<std::size_t>(level_count)}; }
  double mid() const { return (levels[0].ask_price + levels[0].bid_price) / 2; }
};

// kInvalidArgument, naming the field ("asks[3][0]: ..."), unless: 1 to kMaxBookLevels levels; every number finite,
// prices and sizes > 0; asks strictly rising, bids strictly falling; best bid < best ask (a locked or crossed book is
// refused).
Result<void> Validate(const BookSnapshot& snapshot);

}  // namespace punctual
