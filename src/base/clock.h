// The clock behind deadlines and ages, so that tests can turn it by hand. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "punctual/prediction.h"

namespace punctual {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;

  // The machine's monotonic clock.
  static const Clock& Real();
};

class FakeClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(Duration(now_ns_.load())); }
  void Advance(Duration by) { now_ns_.fetch_add(by.count()); }

 private:
  std::atomic<std::int64_t> now_ns_ = 1'000'000'000;
};

// Unix time in nanoseconds.
std::int64_t UnixTimeNs();

inline double Milliseconds(Duration d) { return static_cast<double>(d.count()) / 1e6; }
inline double Microseconds(Duration d) { return static_cast<double>(d.count()) / 1e3; }

}  // namespace punctual
