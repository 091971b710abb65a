// When which user asks about which symbol.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "load/options.h"

namespace punctual::load {

// Numbers in [0, 1) from any 64 random bits. (std::uniform_real_distribution differs between libraries.)
inline double UnitInterval(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// Draws 0 ... count-1 with the shares 1/1^exponent, 1/2^exponent, ...: Zipf's law, how popular things are. Immutable.
class ZipfSampler {
 public:
  // REQUIRES: count > 0, exponent >= 0.
  ZipfSampler(std::size_t count, double exponent);
  // `unit`: uniform in [0, 1).
  std::uint32_t Draw(double unit) const;

 private:
  std::vector<double> cumulative_;  // up to and with each; the last is 1
};

struct Arrival {
  Duration due{};  // since the run began
  std::uint32_t slot = 0;
  std::uint32_t symbol = 0;
};

// An endless row of arrivals at rising times. A slot is a user on a connection. Deterministic for a seed. Not
// thread-safe.
class Schedule {
 public:
  // `rate`: arrivals a second; `phase` in [0, 1): by how much of a gap fixed arrivals are shifted, so that the threads
  // of one run take turns. REQUIRES: rate > 0, slots not empty.
  Schedule(double rate, Arrivals arrivals, double phase, std::vector<std::uint32_t> slots, ZipfSampler symbols,
           std::uint64_t seed);
  Arrival Next();

 private:
  const double gap_s_;
  const Arrivals arrivals_;
  const std::vector<std::uint32_t> slots_;
  const ZipfSampler symbols_;
  std::mt19937_64 random_;
  double at_s_;
  std::uint64_t count_ = 0;
};

}  // namespace punctual::load
