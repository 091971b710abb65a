#include "cache/disk/rest.h"

#include <algorithm>
#include <limits>

namespace punctual {

namespace {

constexpr std::int64_t kForGood = std::numeric_limits<std::int64_t>::max();

std::int64_t NanosecondsOf(TimePoint time) { return time.time_since_epoch().count(); }

}  // namespace

DiskRest::Turn DiskRest::MayProbe(std::int64_t until, TimePoint now) {
  if (NanosecondsOf(now) < until) return Turn::kNo;
  return probing_.exchange(true, std::memory_order_acquire) ? Turn::kNo : Turn::kProbe;
}

void DiskRest::Decide(Turn turn, bool slow, TimePoint ended) {
  if (slow) slow_look_ups_.fetch_add(1, std::memory_order_relaxed);
  if (turn == Turn::kProbe) {
    const std::int64_t length =
        slow ? std::min(2 * length_ns_.load(std::memory_order_relaxed), std::int64_t{kLongest.count()})
             : std::int64_t{0};
    length_ns_.store(length, std::memory_order_relaxed);
    std::int64_t until = until_ns_.load(std::memory_order_relaxed);
    // Who stopped for good in between has the last word.
    while (until != kForGood && !until_ns_.compare_exchange_weak(until, slow ? NanosecondsOf(ended) + length : 0)) {
    }
    probing_.store(false, std::memory_order_release);
  } else if (slow) {
    // Others that are just as late find the rest begun already.
    std::int64_t awake = 0;
    if (until_ns_.compare_exchange_strong(awake, NanosecondsOf(ended + kShortest)))
      length_ns_.store(kShortest.count(), std::memory_order_relaxed);
  }
}

void DiskRest::StopForGood(int code) {
  int running = 0;
  stopped_by_.compare_exchange_strong(running, code);
  until_ns_.store(kForGood);
}

}  // namespace punctual
