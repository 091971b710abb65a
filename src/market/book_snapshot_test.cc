#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>

#include "market/book_for_test.h"
#include "punctual/market.h"

namespace punctual {
namespace {

using ::testing::StartsWith;

std::string Refusal(const std::function<void(BookSnapshot&)>& change) {
  BookSnapshot book = BookForTest(1);
  change(book);
  const auto valid = Validate(book);
  if (valid.has_value()) return "accepted";
  EXPECT_EQ(valid.error().code, Code::kInvalidArgument);
  return valid.error().message;
}

TEST(BookSnapshotTest, ValidBooksHaveOneToTwentyLevels) {
  EXPECT_TRUE(Validate(BookForTest(1, 1)).has_value());
  EXPECT_TRUE(Validate(BookForTest(1, kMaxBookLevels)).has_value());
  for (const int count : {-1, 0, kMaxBookLevels + 1, std::numeric_limits<int>::max()})
    EXPECT_THAT(Refusal([&](BookSnapshot& b) { b.level_count = count; }), StartsWith("levels: ")) << count;
}

TEST(BookSnapshotTest, EveryNumberMustBeFiniteAndPositive) {
  for (const double bad : {0.0, -1.0, double{NAN}, double{INFINITY}, -double{INFINITY}}) {
    EXPECT_THAT(Refusal([&](BookSnapshot& b) { b.levels[3].ask_price = bad; }), StartsWith("asks[3][0]: ")) << bad;
    EXPECT_THAT(Refusal([&](BookSnapshot& b) { b.levels[0].ask_size = bad; }), StartsWith("asks[0][1]: ")) << bad;
    EXPECT_THAT(Refusal([&](BookSnapshot& b) { b.levels[9].bid_price = bad; }), StartsWith("bids[9][0]: ")) << bad;
    EXPECT_THAT(Refusal([&](BookSnapshot& b) { b.levels[1].bid_size = bad; }), StartsWith("bids[1][1]: ")) << bad;
  }
}

TEST(BookSnapshotTest, LevelsGoAwayFromTheTouchStrictly) {
  EXPECT_EQ(Refusal([](BookSnapshot& b) { b.levels[4].ask_price = b.levels[3].ask_price; }),
            "asks[4][0]: asks must rise from level to level");
  EXPECT_EQ(Refusal([](BookSnapshot& b) { b.levels[4].bid_price = b.levels[3].bid_price; }),
            "bids[4][0]: bids must fall from level to level");
}

TEST(BookSnapshotTest, LockedAndCrossedBooksAreRefused) {
  EXPECT_THAT(Refusal([](BookSnapshot& b) { b.levels[0].bid_price = b.levels[0].ask_price; }),
              StartsWith("bids[0][0]: the best bid must be below the best ask"));
  EXPECT_THAT(Refusal([](BookSnapshot& b) { b.levels[0].bid_price = b.levels[0].ask_price + 0.1; }),
              StartsWith("bids[0][0]: the best bid must be below the best ask"));
}

TEST(BookSnapshotTest, WhatIsBeyondTheLastLevelDoesNotMatter) {
  EXPECT_EQ(Refusal([](BookSnapshot& b) { b.levels[10].ask_price = NAN; }), "accepted");
}

}  // namespace
}  // namespace punctual
