// A valid book for tests, whose every number follows from its sequence.
#pragma once

#include "punctual/market.h"

namespace punctual {

inline BookSnapshot BookForTest(std::uint64_t sequence, int levels = 10) {
  BookSnapshot book;
  book.sequence = sequence;
  book.exchange_time_ns = static_cast<std::int64_t>(sequence) * 1'000'000;
  book.receive_time_ns = book.exchange_time_ns + 500'000;
  book.level_count = levels;
  const double mid = 100 + static_cast<double>(sequence % 1000);
  for (int i = 0; i < levels; ++i) {
    const double size = static_cast<double>(sequence % 7) + i + 1;
    book.levels[static_cast<std::size_t>(i)] = {mid + 0.5 + i, size, mid - 0.5 - i, size + 0.25};
  }
  return book;
}

}  // namespace punctual
