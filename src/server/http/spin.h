// Whether an I/O thread that has nothing to do looks again for a while before it sleeps.
//
// Waking a thread costs tens of microseconds, the more the deeper its core sleeps; looking again costs the core's time.
// So it pays where the next event comes within the limit, which the looks themselves tell: while fewer than a quarter
// of the last ones found something, a thread only tries now and then whether that has changed, and not at all after a
// quiet of many times the limit. An idle server never spins.
//
// It harms where the core is not ours to burn. Under a CPU quota below the number of cores (a container's limit) time
// that was spun away is missing later: the whole process stands still until the period ends, milliseconds after a
// deadline. With more I/O threads than cores they would spin against each other. In both cases there is none. And where
// others want the core as well (workers, another process), a thread that spun has used up the scheduler's patience, and
// waits for its turn when a request comes: a look in which the core was taken away ends them for some seconds.
#pragma once

#include <string>

#include "punctual/prediction.h"

namespace punctual::http {

// Why threads must not spin here; empty: they may.
std::string WhyNoSpin(int io_threads, int cores, bool has_cpu_quota);

// Decides for one thread, and is used by it alone.
class Spin {
 public:
  static constexpr double kWorthwhile = 0.25;  // share of looks that found something
  static constexpr int kTryEvery = 32;         // events, while it is not worthwhile
  static constexpr int kQuiet = 16;            // limits without an event: the next one is not near
  static constexpr Duration kTaken = std::chrono::microseconds(200);  // longer than a look takes: another ran meanwhile
  static constexpr Duration kRest = std::chrono::seconds(10);         // after that

  // `limit`: how long a look lasts. 0: never.
  explicit Spin(Duration limit) : limit_(limit) {}

  Duration limit() const { return limit_; }
  // Something was handled, and all that was ready with it: whether to look for more until now + limit().
  bool ShouldLook(TimePoint now);
  // What came of the look, and when it ended, without what was done with what it found.
  void Looked(bool found, TimePoint began, TimePoint ended);

 private:
  const Duration limit_;
  TimePoint last_{};
  double share_ = 0;  // of the last looks that found something: exponentially weighted
  int skipped_ = 0;
  TimePoint not_before_{};
};

}  // namespace punctual::http
