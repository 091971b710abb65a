// A market made up from a seed: several symbols, each a SimulatedBook, whose books come at random moments of simulated
// time. The same options give the same books on every platform. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "market/random.h"
#include "market/simulated_book.h"
#include "punctual/market.h"
#include "punctual/result.h"

namespace punctual {

struct SimulatorOptions {
  std::uint64_t seed = 1;
  int symbols = 4;               // 1 to 10,000; they are called SIM1, SIM2, ...
  std::string prefix = "SIM";    // of their names; not empty
  int levels = 10;               // 1 to kMaxBookLevels
  double books_per_second = 10;  // of each symbol, on average: the gaps are exponential. 1e-3 to 1e6
  std::int64_t start_time_ns = 1'700'000'000'000'000'000;  // Unix time before the first book, above 0
};

struct SimulatedUpdate {
  std::string_view symbol;  // valid as long as the simulator
  BookSnapshot book;        // valid; sequences count from 1 for each symbol
};

class Simulator {
 public:
  // kInvalidArgument names the option.
  static Result<Simulator> Make(const SimulatorOptions& options);

  // The next book of any symbol. Its receive time is the simulated time, which rises from call to call; the exchange
  // time is a little earlier, in whole milliseconds.
  SimulatedUpdate Next();

  const std::vector<std::string>& symbols() const { return symbols_; }

 private:
  // What prices and sizes one tick and one lot are: price = tick / ticks_per_unit.
  struct Instrument {
    SimulatedBook book;
    double ticks_per_unit;
    double lots_per_unit;
    std::uint64_t sequence = 0;
  };

  explicit Simulator(const SimulatorOptions& options);

  SimulatorOptions options_;
  Random random_;
  double mean_gap_ns_;
  std::int64_t now_ns_;
  std::vector<std::string> symbols_;
  std::vector<Instrument> instruments_;
};

}  // namespace punctual
