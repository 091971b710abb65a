// When the disk layer rests: a look-up that took long (cold pages, a sick disk) lets the layer rest for a while, so
// that it costs few deadlines; then one look-up probes. Rests double from 100 ms to 10 s while probes are slow.
// Thread-safe and lock-free.
#pragma once

#include <atomic>
#include <cstdint>

#include "punctual/prediction.h"

namespace punctual {

class DiskRest {
 public:
  static constexpr Duration kShortest = std::chrono::milliseconds(100);
  static constexpr Duration kLongest = std::chrono::seconds(10);
  enum class Turn : std::uint8_t { kNo, kYes, kProbe };

  // `slow`: a look-up that takes longer is slow.
  explicit DiskRest(Duration slow) : slow_(slow) {}

  Duration slow() const { return slow_; }

  // May the caller look now? Unless kNo it calls Looked or NotLooked afterwards.
  Turn MayLook(TimePoint now) {
    const std::int64_t until = until_ns_.load(std::memory_order_relaxed);
    if (until == 0) [[likely]]
      return Turn::kYes;
    return MayProbe(until, now);
  }
  void Looked(Turn turn, TimePoint began, TimePoint ended) {
    const bool slow = ended - began > slow_;
    if (slow || turn == Turn::kProbe) [[unlikely]]
      Decide(turn, slow, ended);
  }
  // The caller had a turn and could not use it.
  void NotLooked(Turn turn) {
    if (turn == Turn::kProbe) probing_.store(false, std::memory_order_release);
  }

  // Never again: LMDB reported what cannot be mended while running. `code`: LMDB's.
  void StopForGood(int code);
  // 0: not stopped.
  int stopped_by() const { return stopped_by_.load(std::memory_order_relaxed); }

  bool resting() const { return until_ns_.load(std::memory_order_relaxed) != 0; }
  std::uint64_t slow_look_ups() const { return slow_look_ups_.load(std::memory_order_relaxed); }

 private:
  Turn MayProbe(std::int64_t until, TimePoint now);
  void Decide(Turn turn, bool slow, TimePoint ended);

  const Duration slow_;
  std::atomic<std::int64_t> until_ns_ = 0;  // of the monotonic clock; 0: awake
  std::atomic<std::int64_t> length_ns_ = 0;
  std::atomic<bool> probing_ = false;
  std::atomic<int> stopped_by_ = 0;
  std::atomic<std::uint64_t> slow_look_ups_ = 0;
};

}  // namespace punctual
