// Random numbers that are the same for a seed on every platform. The distributions of <random> differ between standard
// libraries, and log() between maths libraries; these use comparisons and plain arithmetic alone. Not thread-safe.
#pragma once

#include <cstdint>
#include <random>

namespace punctual {

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  // In [0, 1), a multiple of 2^-53.
  double Uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  bool Chance(double probability) { return Uniform() < probability; }
  // 0 to count - 1. REQUIRES: count > 0, and small beside 2^64.
  std::uint64_t Below(std::uint64_t count) { return engine_() % count; }

  // How often a chance of `probability` comes in a row, at most `limit`. Mean p / (1 - p).
  int Geometric(double probability, int limit) {
    int count = 0;
    while (count < limit && Chance(probability)) ++count;
    return count;
  }

  // Mean 1. Von Neumann, "Various techniques used in connection with random digits" (1951): the runs of falling
  // uniforms of odd length accept their first one, each run rejected adds 1.
  double Exponential() {
    for (double whole = 0;; ++whole) {
      const double first = Uniform();
      double last = first;
      int length = 1;
      for (double next = Uniform(); next < last; next = Uniform()) {
        last = next;
        ++length;
      }
      if (length % 2 == 1) return whole + first;
    }
  }

  // Mean 0, variance 1, never beyond 6: the sum of twelve uniforms.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace punctual
