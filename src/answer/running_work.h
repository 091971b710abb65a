// What the workers are busy with: how long until they get to more work, and which of them hang. No thread, no clock.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "punctual/prediction.h"

namespace punctual {

// Not thread-safe. Workers have small numbers, which are used again.
class RunningWork {
 public:
  // Waits that never end.
  static constexpr Duration kNever = std::chrono::hours(24 * 365);

  // A worker more, idle.
  std::size_t Add();
  void Remove(std::size_t worker);

  // The worker begins something that typically takes `expected`, and hangs if it takes longer than `hung_after`.
  void Begin(std::size_t worker, TimePoint now, Duration expected, Duration hung_after);
  // And has ended it, hung or not.
  void End(std::size_t worker);

  // One that hangs and was not found before; from now on it counts as lost, until it ends what it runs.
  std::optional<std::size_t> FindHung(TimePoint now);
  bool is_lost(std::size_t worker) const { return workers_[worker].state == State::kLost; }
  int lost() const { return lost_; }
  // Workers that there are, the lost ones included.
  int count() const { return count_; }

  // When the workers that are not lost would be through with what they run and with `work` besides, one of them thus
  // free for more. What has run for longer than expected needs as long again as it already took. kNever: none is there.
  Duration WaitFor(Duration work, TimePoint now) const;

 private:
  enum class State : unsigned char { kNone, kIdle, kRunning, kLost };
  struct Worker {
    State state = State::kNone;
    TimePoint begun{};
    Duration expected{};
    Duration hung_after{};
  };
  std::vector<Worker> workers_;
  int count_ = 0;
  int lost_ = 0;
  mutable std::vector<Duration> remaining_;  // of WaitFor; kept so that it allocates nothing
};

}  // namespace punctual
