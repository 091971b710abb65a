#include "market/simulator.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <set>

#include "market/window.h"

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

SimulatorOptions Options(std::uint64_t seed, int symbols = 3, int levels = 10) {
  SimulatorOptions options;
  options.seed = seed;
  options.symbols = symbols;
  options.levels = levels;
  return options;
}

TEST(SimulatorTest, EveryBookIsValidAndEverySymbolMoves) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Simulator simulator = Simulator::Make(Options(seed)).value();
    std::map<std::string_view, std::set<double>> mids, sizes, spreads;
    for (int i = 0; i < 6000; ++i) {
      const SimulatedUpdate update = simulator.Next();
      const auto valid = Validate(update.book);
      ASSERT_TRUE(valid.has_value()) << valid.error().message;
      ASSERT_EQ(update.book.level_count, 10);
      mids[update.symbol].insert(update.book.mid());
      sizes[update.symbol].insert(update.book.levels[0].bid_size);
      spreads[update.symbol].insert(
          std::round((update.book.levels[0].ask_price - update.book.levels[0].bid_price) * 1e5));
    }
    ASSERT_EQ(mids.size(), 3u);
    for (const auto& symbol : simulator.symbols()) {
      EXPECT_GT(mids[symbol].size(), 10u) << symbol << " of seed " << seed;
      EXPECT_GT(sizes[symbol].size(), 50u) << symbol << " of seed " << seed;
      EXPECT_GT(spreads[symbol].size(), 2u) << symbol << " of seed " << seed;
    }
  }
}

TEST(SimulatorTest, OneSeedGivesOneMarket) {
  Simulator a = Simulator::Make(Options(5)).value(), b = Simulator::Make(Options(5)).value();
  Simulator other = Simulator::Make(Options(6)).value();
  int different = 0;
  for (int i = 0; i < 1000; ++i) {
    const SimulatedUpdate left = a.Next(), right = b.Next(), third = other.Next();
    ASSERT_EQ(left.symbol, right.symbol);
    ASSERT_EQ(left.book.receive_time_ns, right.book.receive_time_ns);
    ASSERT_EQ(DigestOf(left.book), DigestOf(right.book));
    different += DigestOf(left.book) != DigestOf(third.book);
  }
  EXPECT_GT(different, 900);
}

// Written down once, so that another compiler, library or processor shows if it gives other books.
TEST(SimulatorTest, TheBooksOfASeedAreTheSameEverywhere) {
  Simulator simulator = Simulator::Make(Options(1, 4)).value();
  std::vector<BookSnapshot> books;
  for (int i = 0; i < 2000; ++i) books.push_back(simulator.Next().book);
  EXPECT_EQ(books.back().receive_time_ns, 1'700'000'051'485'079'779);
  EXPECT_EQ(HexText(Window::Of(books, {}).DigestOf(books.size())), "55b1df74407b1f6b0c35f49316b6e037");
}

TEST(SimulatorTest, APrefixNamesTheSymbols) {
  SimulatorOptions options = Options(1, 2);
  options.prefix = "BURST";
  EXPECT_THAT(Simulator::Make(options).value().symbols(), ElementsAre("BURST1", "BURST2"));
}

TEST(SimulatorTest, SequencesCountAndTimeRises) {
  Simulator simulator = Simulator::Make(Options(1, 4)).value();
  EXPECT_THAT(simulator.symbols(), ElementsAre("SIM1", "SIM2", "SIM3", "SIM4"));
  std::map<std::string_view, std::uint64_t> sequences;
  std::map<std::string_view, std::int64_t> exchange;
  std::int64_t last = SimulatorOptions().start_time_ns;
  for (int i = 0; i < 2000; ++i) {
    const SimulatedUpdate update = simulator.Next();
    ASSERT_EQ(update.book.sequence, ++sequences[update.symbol]);
    ASSERT_GT(update.book.receive_time_ns, last);
    last = update.book.receive_time_ns;
    ASSERT_LT(update.book.exchange_time_ns, last);
    ASSERT_EQ(update.book.exchange_time_ns % 1'000'000, 0);
    ASSERT_GE(update.book.exchange_time_ns, exchange[update.symbol]);
    exchange[update.symbol] = update.book.exchange_time_ns;
  }
}

TEST(SimulatorTest, BooksComeAtTheGivenRateWithExponentialGaps) {
  SimulatorOptions options = Options(3, 5);
  options.books_per_second = 20;
  Simulator simulator = Simulator::Make(options).value();
  constexpr int kBooks = 20'000;
  std::int64_t last = options.start_time_ns;
  double sum = 0, squares = 0;
  std::map<std::string_view, int> books;
  for (int i = 0; i < kBooks; ++i) {
    const SimulatedUpdate update = simulator.Next();
    const double gap = static_cast<double>(update.book.receive_time_ns - last) / 1e9;
    last = update.book.receive_time_ns;
    sum += gap;
    squares += gap * gap;
    ++books[update.symbol];
  }
  const double mean = sum / kBooks;
  EXPECT_NEAR(mean, 0.01, 0.0005);
  EXPECT_NEAR(std::sqrt(squares / kBooks - mean * mean), 0.01, 0.0005) << "as wide as its mean: exponential";
  for (const auto& [symbol, count] : books) EXPECT_NEAR(count / (sum * 20), 1, 0.1) << symbol;
}

TEST(SimulatorTest, ImbalanceSaysSomethingAboutTheNextMove) {
  Simulator simulator = Simulator::Make(Options(11, 1)).value();
  std::vector<BookSnapshot> books;
  for (int i = 0; i < 20'000; ++i) books.push_back(simulator.Next().book);
  int right = 0, moves = 0;
  for (std::size_t i = 0; i + 10 < books.size(); ++i) {
    const double moved = books[i + 10].mid() - books[i].mid();
    if (moved == 0) continue;
    ++moves;
    right += (books[i].levels[0].bid_size > books[i].levels[0].ask_size) == (moved > 0);
  }
  EXPECT_GT(moves, 2000);
  EXPECT_GT(right, 0.55 * moves);
  EXPECT_LT(right, 0.80 * moves) << "but it does not give it away";
}

TEST(SimulatorTest, OptionsOutOfRangeAreNamed) {
  const auto message = [](auto change) {
    SimulatorOptions options;
    change(options);
    return Simulator::Make(options).error().message;
  };
  EXPECT_THAT(message([](auto& o) { o.symbols = 0; }), StartsWith("symbols: "));
  EXPECT_THAT(message([](auto& o) { o.prefix = ""; }), StartsWith("prefix: "));
  EXPECT_THAT(message([](auto& o) { o.levels = 21; }), StartsWith("levels: "));
  EXPECT_THAT(message([](auto& o) { o.books_per_second = 0; }), StartsWith("books_per_second: "));
  EXPECT_THAT(message([](auto& o) { o.books_per_second = NAN; }), StartsWith("books_per_second: "));
  EXPECT_THAT(message([](auto& o) { o.start_time_ns = 0; }), StartsWith("start_time_ns: "));
  EXPECT_TRUE(Validate(Simulator::Make(Options(1, 1, kMaxBookLevels)).value().Next().book).has_value());
  EXPECT_TRUE(Validate(Simulator::Make(Options(1, 1, 1)).value().Next().book).has_value());
}

TEST(SimulatedBookTest, PricesStayPositiveAtTheLowest) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    SimulatedBook book(SimulatedBook::kLowestBid + 2, seed);
    for (int i = 0; i < 5000; ++i) {
      book.Step();
      ASSERT_GT(book.bids().front().tick, SimulatedBook::kLowestBid / 2);
      for (const auto& level : book.bids()) ASSERT_GT(level.tick, 0);
    }
  }
}

TEST(RandomTest, DistributionsHaveTheirMeansAndVariances) {
  Random random(1);
  constexpr int kDraws = 200'000;
  const auto moments = [&](auto draw) {
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double value = draw();
      sum += value;
      squares += value * value;
    }
    const double mean = sum / kDraws;
    return std::pair(mean, squares / kDraws - mean * mean);
  };
  const auto near = [](std::pair<double, double> got, double mean, double variance, double tolerance) {
    EXPECT_NEAR(got.first, mean, tolerance);
    EXPECT_NEAR(got.second, variance, tolerance);
  };
  near(moments([&] { return random.Uniform(); }), 0.5, 1.0 / 12, 0.005);
  near(moments([&] { return random.Exponential(); }), 1, 1, 0.03);
  near(moments([&] { return random.Normal(); }), 0, 1, 0.02);
  near(moments([&] { return random.Geometric(0.5, 100); }), 1, 2, 0.05);
  near(moments([&] { return static_cast<double>(random.Below(3)); }), 1, 2.0 / 3, 0.01);
  EXPECT_EQ(random.Geometric(1, 7), 7);
}

}  // namespace
}  // namespace punctual
