#include "market/market.h"

#include <gmock/gmock.h>

#include <atomic>
#include <limits>
#include <thread>

#include "market/book_for_test.h"

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// What is published by BookForTest tells whether it was read whole.
void ExpectWhole(const Window& window) {
  std::uint64_t next = 0;
  for (std::size_t back = 0; back < window.size(); ++back) {
    const StoredSnapshot& stored = window.FromNewest(back);
    if (back > 0) {
      ASSERT_EQ(stored.book.sequence + 1, next);
    }
    next = stored.book.sequence;
    ASSERT_EQ(stored.digest, DigestOf(BookForTest(next)));
    ASSERT_EQ(stored.digest, DigestOf(stored.book));
  }
}

TEST(SymbolStateTest, KeepsAtLeastTheHistoryAndAtMostTwice) {
  for (const std::size_t history : {1u, 2u, 5u}) {
    SymbolState state(history);
    EXPECT_TRUE(state.Take().empty());
    for (std::uint64_t sequence = 1; sequence <= 40; ++sequence) {
      state.Append(BookForTest(sequence), {}).value();
      const Window window = state.Take();
      EXPECT_GE(window.size(), std::min<std::size_t>(history, sequence));
      EXPECT_LE(window.size(), 2 * history);
      EXPECT_EQ(window.newest().book.sequence, sequence);
      ExpectWhole(window);
    }
  }
}

TEST(SymbolStateTest, DuplicatesAndOldSequencesAreRefusedAndChangeNothing) {
  SymbolState state(4);
  state.Append(BookForTest(10), {}).value();
  const auto again = state.Append(BookForTest(10), {});
  EXPECT_EQ(again.error().code, Code::kAlreadyExists);
  EXPECT_THAT(again.error().message, HasSubstr("seq: 10"));
  const auto older = state.Append(BookForTest(9), {});
  EXPECT_EQ(older.error().code, Code::kOutOfRange);
  EXPECT_THAT(older.error().message, StartsWith("seq: 9"));
  EXPECT_EQ(state.Take().size(), 1u);
  EXPECT_TRUE(state.Append(BookForTest(20), {}).has_value()) << "gaps are allowed";
  EXPECT_TRUE(state.Append(BookForTest(std::numeric_limits<std::uint64_t>::max()), {}).has_value());
}

TEST(SymbolStateTest, ATakenWindowStaysAsItWas) {
  SymbolState state(3);
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) state.Append(BookForTest(sequence), {}).value();
  const Window window = state.Take();
  const std::size_t size = window.size();
  const Digest digest = window.DigestOf(size);
  for (std::uint64_t sequence = 6; sequence <= 50; ++sequence) state.Append(BookForTest(sequence), {}).value();
  EXPECT_EQ(window.size(), size);
  EXPECT_EQ(window.newest().book.sequence, 5u);
  EXPECT_EQ(window.DigestOf(size), digest);
  ExpectWhole(window);
}

TEST(SymbolStateTest, ReadersSeeWholeWindowsWhileAFeedAppends) {
  SymbolState state(16);
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r)
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!stop) {
        const Window window = state.Take();
        if (window.empty()) continue;
        ASSERT_GE(window.newest().book.sequence, last);
        last = window.newest().book.sequence;
        ASSERT_NO_FATAL_FAILURE(ExpectWhole(window));
      }
    });
  for (std::uint64_t sequence = 1; sequence <= 20'000; ++sequence) state.Append(BookForTest(sequence), {}).value();
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(state.Take().newest().book.sequence, 20'000u);
}

TEST(SymbolStateTest, TwoFeedsOfOneSymbolKeepItsOrder) {
  SymbolState state(1000);
  std::atomic<int> accepted = 0;
  std::vector<std::thread> feeds;
  for (int f = 0; f < 2; ++f)
    feeds.emplace_back([&] {
      for (std::uint64_t sequence = 1; sequence <= 1000; ++sequence)
        if (state.Append(BookForTest(sequence), {}).has_value()) ++accepted;
    });
  for (auto& feed : feeds) feed.join();
  EXPECT_EQ(state.Take().size(), static_cast<std::size_t>(accepted));
  ASSERT_EQ(state.Take().newest().book.sequence, 1000u);
  std::uint64_t last = 1001;
  for (std::size_t back = 0; back < state.Take().size(); ++back) {
    EXPECT_LT(state.Take().FromNewest(back).book.sequence, last);
    last = state.Take().FromNewest(back).book.sequence;
  }
}

TEST(MarketTest, PublishStampsArrivalAndAMissingReceiveTime) {
  FakeClock clock;
  Market market({}, clock);
  clock.Advance(std::chrono::seconds(3));
  BookSnapshot book = BookForTest(1);
  market.Publish("A", book).value();
  EXPECT_EQ(market.Take("A").value().newest().arrived, clock.Now());
  EXPECT_EQ(market.Take("A").value().newest().book.receive_time_ns, book.receive_time_ns);
  book = BookForTest(2);
  book.receive_time_ns = 0;
  const std::int64_t before = UnixTimeNs();
  market.Publish("A", book).value();
  EXPECT_GE(market.Take("A").value().newest().book.receive_time_ns, before);
}

TEST(MarketTest, AnInvalidBookOrSymbolIsRefusedAndNoStateIsMade) {
  Market market({}, Clock::Real());
  BookSnapshot crossed = BookForTest(1);
  crossed.levels[0].bid_price = crossed.levels[0].ask_price;
  EXPECT_EQ(market.Publish("A", crossed).error().code, Code::kInvalidArgument);
  for (const std::string& name : {std::string(), std::string("A B"), std::string("a\"b"), std::string("\xC3\xA4"),
                                  std::string("a\0b", 3), std::string(65, 'A')}) {
    const auto refused = market.Publish(name, BookForTest(1));
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument) << name;
    EXPECT_THAT(refused.error().message, StartsWith("symbol: "));
  }
  EXPECT_TRUE(market.Symbols().empty());
  EXPECT_EQ(market.snapshot_count(), 0u);
  EXPECT_TRUE(market.Publish("BTC-USD/perp._:9", BookForTest(1)).has_value());
  EXPECT_TRUE(market.Publish(std::string(64, 'A'), BookForTest(1)).has_value());
}

TEST(MarketTest, OneSymbolTooManyIsRefusedAndTheOthersGoOn) {
  Market market({.symbols = 2, .history = 4}, Clock::Real());
  market.Publish("B", BookForTest(1)).value();
  market.Publish("A", BookForTest(1)).value();
  EXPECT_EQ(market.Publish("C", BookForTest(1)).error().code, Code::kResourceExhausted);
  EXPECT_TRUE(market.Publish("A", BookForTest(2)).has_value());
  EXPECT_THAT(market.Symbols(), ElementsAre("A", "B"));
  EXPECT_EQ(market.snapshot_count(), 3u);
  market.Forget("B").value();
  EXPECT_TRUE(market.Publish("C", BookForTest(1)).has_value());
}

TEST(MarketTest, AForgottenSymbolMayStartAgainAtAnySequence) {
  Market market({}, Clock::Real());
  EXPECT_EQ(market.Forget("A").error().code, Code::kNotFound);
  EXPECT_EQ(market.Take("A").error().code, Code::kNotFound);
  market.Publish("A", BookForTest(50)).value();
  const Window held = market.Take("A").value();
  market.Forget("A").value();
  EXPECT_EQ(market.Take("A").error().message, "symbol: nothing was published for \"A\"");
  market.Publish("A", BookForTest(3)).value();
  EXPECT_EQ(market.Take("A").value().size(), 1u);
  EXPECT_EQ(held.newest().book.sequence, 50u);
}

TEST(MarketTest, WhatIsNoSymbolIsNotRepeatedInTheError) {
  Market market({}, Clock::Real());
  EXPECT_EQ(market.Take(std::string(1000, 'x')).error().message, "symbol: nothing was published for it");
}

TEST(MarketTest, FeedsReadersAndForgettingMeetWithoutHarm) {
  Market market({.symbols = 8, .history = 8}, Clock::Real());
  std::atomic<bool> stop = false;
  std::vector<std::thread> feeds;
  for (const char* symbol : {"A", "B"})
    feeds.emplace_back([&market, symbol] {
      for (std::uint64_t sequence = 1; sequence <= 5000; ++sequence)
        ASSERT_TRUE(market.Publish(symbol, BookForTest(sequence)).has_value());
    });
  std::vector<std::thread> others;
  for (const char* symbol : {"A", "B"})
    others.emplace_back([&, symbol] {
      while (!stop) {
        const auto window = market.Take(symbol);
        if (window.has_error()) continue;
        ASSERT_NO_FATAL_FAILURE(ExpectWhole(*window));
      }
    });
  others.emplace_back([&] {
    for (std::uint64_t i = 1; !stop; ++i) {
      ASSERT_TRUE(market.Publish("C", BookForTest(i)).has_value());
      ASSERT_TRUE(market.Forget("C").has_value());
    }
  });
  for (auto& feed : feeds) feed.join();
  stop = true;
  for (auto& other : others) other.join();
  EXPECT_EQ(market.Take("A").value().newest().book.sequence, 5000u);
  EXPECT_EQ(market.Take("B").value().newest().book.sequence, 5000u);
}

}  // namespace
}  // namespace punctual
