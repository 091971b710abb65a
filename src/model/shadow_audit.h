// Watches what approximate answers are worth: a random share of them is computed again for the very input, and both are
// compared. Too many that differ, and the audit trips: approximate answers are no longer given.
#pragma once

#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/mutex.h"
#include "model/shadow_sample.h"
#include "punctual/outputs.h"

namespace punctual {

// Thread-safe. tripped() takes no lock. One for each loaded model: it stays tripped as long as it lives.
class ShadowAudit {
 public:
  static constexpr std::size_t kWindow = 256;  // the audits that the share is counted over
  static constexpr std::size_t kFewest = 32;   // before as many, nothing trips

  struct Options {
    double audit_share = 0.01;   // of the approximate answers, in [0, 1]
    double tolerance = 0;        // of each number of an answer, >= 0
    double max_error_share = 0;  // of the window; above it the audit trips
    std::uint64_t seed = 0;      // of the choice
  };
  struct Stats {
    std::uint64_t audited = 0;
    std::uint64_t differed = 0;         // in either way
    std::uint64_t differed_argmax = 0;  // another place of the last axis had the greatest value
    std::uint64_t differed_value = 0;   // a number was off by more than the tolerance, or there were others altogether
    double share = 0;                   // that differed, of the last kWindow audits; 0 before the first
    bool tripped = false;
  };

  explicit ShadowAudit(const Options& options);

  // Of the approximate answers.
  ShadowSample& sample() { return sample_; }
  // `given`: the approximate answer; `recomputed`: what the model says of the input itself. True: this tripped it.
  bool Record(const Outputs& given, const Outputs& recomputed);
  bool tripped() const { return tripped_.load(std::memory_order_relaxed); }
  Stats stats() const;
  // For people: "3 of 200 differed (1 in argmax, 3 in value), 1.5 % of the last 200".
  std::string Summary() const;

 private:
  const Options options_;
  ShadowSample sample_;
  alignas(64) std::atomic<bool> tripped_ = false;
  mutable Mutex mutex_;
  Stats stats_ GUARDED_BY(mutex_);
  std::bitset<kWindow> window_ GUARDED_BY(mutex_);  // which of the last audits differed; audit i is in i % kWindow
};

}  // namespace punctual
