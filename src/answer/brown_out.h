// Brown-out: when there is not CPU enough for all who want it (other processes, a stolen core, a quota, more requests
// than the machine can take), what is optional is turned off first, in this order:
//
//   1  audits of approximate answers, and comparisons with what stands in for a model
//   2  keeping answers in Redis
//   3  keeping answers on disk
//
// Memory is always filled: it costs next to nothing and spares an inference. The level rises by one for each half a
// second of shortage, and falls by one for each two seconds without.
#pragma once

#include <atomic>
#include <cstdint>

#include "punctual/prediction.h"

namespace punctual {

enum class BrownOutLevel : std::uint8_t { kNone, kNoAudits, kNoRedisWrites, kNoDiskWrites };

// level: any thread. Observe: one thread.
class BrownOut {
 public:
  static constexpr Duration kRiseAfter = std::chrono::milliseconds(500);
  static constexpr Duration kFallAfter = std::chrono::seconds(2);
  // Short of CPU: our threads waited for one for so long, of each second and core ...
  static constexpr double kShort = 0.5, kEnough = 0.2;
  // ... or a timer of ours was called so late.
  static constexpr Duration kLate = std::chrono::milliseconds(20);

  BrownOutLevel level() const { return level_.load(std::memory_order_relaxed); }
  bool Allows(BrownOutLevel turned_off_at) const { return level() < turned_off_at; }
  // `waiting`: what the threads waited for a CPU since the call before, as a share of time and cores; `late`: of the
  // timers meanwhile, the latest. True: the level changed.
  bool Observe(TimePoint now, double waiting, Duration late);

 private:
  std::atomic<BrownOutLevel> level_ = BrownOutLevel::kNone;
  TimePoint changes_from_{};  // since when it has been as it is, or the level last changed
  bool short_ = false;
  bool begun_ = false;
};

}  // namespace punctual
