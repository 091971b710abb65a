// A token bucket: how many requests may pass, by rate and burst.
//
// The generic cell rate algorithm (ITU-T I.371, annex A; "virtual scheduling"): instead of tokens and the time they
// were last counted, one number, the theoretical arrival time: when the next request would be due if all came evenly. A
// request that comes up to (burst - 1) intervals before it passes, and moves it on by an interval. One atomic number,
// so no lock and no clean-up, and nothing that a busy second thread could see half done.
#pragma once

#include <atomic>
#include <cstdint>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

struct RateLimit {
  static constexpr double kLeastRate = 0.001, kMostRate = 1e6, kMostBurst = 1e6;

  double rate = 0;   // requests a second; 0: no limit
  double burst = 0;  // that may come at once; 0: those of a tenth of a second, at least 1

  // kInvalidArgument: `where` + "rate" or "burst" cannot work.
  Result<void> Check(const std::string& where) const;
};

// Thread-safe and lock-free. A cache line of its own: users' buckets are written by different threads.
class alignas(64) TokenBucket {
 public:
  // Begins full. REQUIRES: limit.rate > 0 and limit.Check() passed.
  explicit TokenBucket(const RateLimit& limit);
  TokenBucket(const TokenBucket&) = delete;
  TokenBucket& operator=(const TokenBucket&) = delete;

  // What Take came to.
  struct Taken {
    Duration retry_after{};   // 0: a token was taken; else none was, and there will be one after so long
    std::int64_t due_ns = 0;  // for GiveBack
    bool passed() const { return retry_after == Duration::zero(); }
  };
  // Over any interval of t seconds at most burst + rate * t pass. `now` may lag behind other threads'.
  Taken Take(TimePoint now);
  // The request went no further. REQUIRES: taken.passed(); once for each.
  void GiveBack(const Taken& taken);

  double rate() const { return rate_; }
  double burst() const { return burst_; }

 private:
  const double rate_, burst_;
  const std::int64_t interval_ns_;        // between tokens; rounded up, so that the rate holds
  const std::int64_t tolerance_ns_;       // how long before it is due a request may come
  std::atomic<std::int64_t> due_ns_ = 0;  // of the next request, on the monotonic clock
};

}  // namespace punctual
