#include <cmath>
#include <string>

#include "punctual/market.h"

namespace punctual {
namespace {

bool IsPositive(double value) { return std::isfinite(value) && value > 0; }

// "asks[3][0]: what": the place as the API's JSON writes it, [0] the price and [1] the size.
Error AtLevel(const char* side, int level, int member, const std::string& what) {
  return Fail(Code::kInvalidArgument,
              std::string(side) + "[" + std::to_string(level) + "][" + std::to_string(member) + "]: " + what);
}

Result<void> ValidateSide(const char* side, int level, double price, double size) {
  if (!IsPositive(price)) return AtLevel(side, level, 0, "the price must be a finite number above 0");
  if (!IsPositive(size)) return AtLevel(side, level, 1, "the size must be a finite number above 0");
  return {};
}

}  // namespace

Result<void> Validate(const BookSnapshot& snapshot) {
  if (snapshot.level_count < 1 || snapshot.level_count > kMaxBookLevels)
    return Fail(Code::kInvalidArgument, "levels: a book has 1 to " + std::to_string(kMaxBookLevels) + ", not " +
                                            std::to_string(snapshot.level_count));
  for (int i = 0; i < snapshot.level_count; ++i) {
    const BookLevel& level = snapshot.levels[static_cast<std::size_t>(i)];
    PUNCTUAL_TRY(ValidateSide("asks", i, level.ask_price, level.ask_size));
    PUNCTUAL_TRY(ValidateSide("bids", i, level.bid_price, level.bid_size));
    if (i == 0) continue;
    const BookLevel& better = snapshot.levels[static_cast<std::size_t>(i - 1)];
    if (level.ask_price <= better.ask_price) return AtLevel("asks", i, 0, "asks must rise from level to level");
    if (level.bid_price >= better.bid_price) return AtLevel("bids", i, 0, "bids must fall from level to level");
  }
  if (snapshot.levels[0].bid_price >= snapshot.levels[0].ask_price)
    return AtLevel("bids", 0, 0, "the best bid must be below the best ask: this book is crossed or locked");
  return {};
}

}  // namespace punctual
