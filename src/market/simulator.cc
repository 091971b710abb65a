#include "market/simulator.h"

#include <array>

namespace punctual {
namespace {

constexpr int kMostSymbols = 10'000;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kLatencyNs = kNsPerMs;

// What the symbols look like, in turn: prices near 60,000, 2,600, 145 and 0.58, with ticks of 0.02 to 0.2 basis points.
struct Kind {
  std::int64_t mid_tick;
  double ticks_per_unit;
  double lots_per_unit;
};
constexpr std::array<Kind, 4> kKinds = {{
    {600'000, 10, 1000},
    {260'000, 100, 100},
    {145'000, 1000, 10},
    {58'000, 100'000, 1},
}};

}  // namespace

Result<Simulator> Simulator::Make(const SimulatorOptions& options) {
  if (options.symbols < 1 || options.symbols > kMostSymbols)
    return Fail(Code::kInvalidArgument, "symbols: must be 1 to " + std::to_string(kMostSymbols));
  if (options.prefix.empty()) return Fail(Code::kInvalidArgument, "prefix: must not be empty");
  if (options.levels < 1 || options.levels > kMaxBookLevels)
    return Fail(Code::kInvalidArgument, "levels: must be 1 to " + std::to_string(kMaxBookLevels));
  if (!(options.books_per_second >= 1e-3 && options.books_per_second <= 1e6))
    return Fail(Code::kInvalidArgument, "books_per_second: must be 0.001 to 1000000");
  if (options.start_time_ns <= 0) return Fail(Code::kInvalidArgument, "start_time_ns: must be a Unix time above 0");
  return Simulator(options);
}

Simulator::Simulator(const SimulatorOptions& options)
    : options_(options),
      random_(options.seed),
      // The updates of all symbols together come as those of one that is as many times as busy.
      mean_gap_ns_(1e9 / (options.books_per_second * options.symbols)),
      now_ns_(options.start_time_ns) {
  for (int i = 0; i < options.symbols; ++i) {
    const Kind& kind = kKinds[static_cast<std::size_t>(i) % kKinds.size()];
    // Each book has its own numbers, so that one symbol does not change with the number of the others.
    const std::uint64_t seed = options.seed * 0x9E3779B97F4A7C15u + static_cast<std::uint64_t>(i + 1);
    symbols_.push_back(options.prefix + std::to_string(i + 1));
    instruments_.push_back({SimulatedBook(kind.mid_tick, seed), kind.ticks_per_unit, kind.lots_per_unit});
  }
}

SimulatedUpdate Simulator::Next() {
  now_ns_ += 1 + static_cast<std::int64_t>(mean_gap_ns_ * random_.Exponential());
  const std::size_t at = random_.Below(instruments_.size());
  Instrument& instrument = instruments_[at];
  instrument.book.Step();

  SimulatedUpdate update{.symbol = symbols_[at]};
  BookSnapshot& book = update.book;
  book.sequence = ++instrument.sequence;
  book.receive_time_ns = now_ns_;
  book.exchange_time_ns = (now_ns_ - kLatencyNs) / kNsPerMs * kNsPerMs;
  book.level_count = options_.levels;
  for (std::size_t i = 0; i < static_cast<std::size_t>(options_.levels); ++i) {
    const SimulatedBook::Level& ask = instrument.book.asks()[i];
    const SimulatedBook::Level& bid = instrument.book.bids()[i];
    // Divided, not multiplied by a tick's size: the nearest double of the decimal price, which prints as that.
    book.levels[i] = {.ask_price = static_cast<double>(ask.tick) / instrument.ticks_per_unit,
                      .ask_size = static_cast<double>(ask.lots) / instrument.lots_per_unit,
                      .bid_price = static_cast<double>(bid.tick) / instrument.ticks_per_unit,
                      .bid_size = static_cast<double>(bid.lots) / instrument.lots_per_unit};
  }
  return update;
}

}  // namespace punctual
