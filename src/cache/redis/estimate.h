// A smoothed duration: mean plus two mean deviations, in the manner of TCP's round-trip estimate (RFC 6298: gains 1/8
// and 1/4). Value type, not thread-safe.
#pragma once

#include "punctual/prediction.h"

namespace punctual::redis {

class Estimate {
 public:
  void Add(Duration sample) {
    if (empty_) {
      mean_ = sample;
      deviation_ = sample / 2;
      empty_ = false;
      return;
    }
    const Duration off = sample - mean_;
    deviation_ += ((off < Duration::zero() ? -off : off) - deviation_) / 4;
    mean_ += off / 8;
  }
  bool empty() const { return empty_; }
  Duration mean() const { return mean_; }
  Duration expected() const { return mean_ + 2 * deviation_; }

 private:
  bool empty_ = true;
  Duration mean_{}, deviation_{};
};

}  // namespace punctual::redis
