// Whether a node is worth asking. Pure decisions: no clock, no socket, no lock; the owner guards it.
//
//   kConnecting/kHalfOpen --OnProbed--> kClosed --OnFailure xN, Open--> kOpen --OnProbeStarted--> kHalfOpen --Open-->
//   kOpen
//
// Half open admits no look-up: a connection and a PING answered in time decide, so that no question is spent on trying.
// The pause before each try doubles until a look-up or a later PING was answered in time, and is jittered, so that many
// clients do not come back in step.
#pragma once

#include <cstdint>
#include <random>

#include "punctual/prediction.h"

namespace punctual::redis {

struct BreakerOptions {
  int failures = 5;                                        // in a row, that open it ...
  Duration span = std::chrono::milliseconds(10);           // ... if the first of them is at least this long ago
  Duration backoff_min = std::chrono::milliseconds(100);   // first pause; each is cut by a random part up to half
  Duration backoff_max = std::chrono::milliseconds(5000);  // longest
};

class Breaker {
 public:
  enum class State : std::uint8_t { kConnecting, kClosed, kOpen, kHalfOpen };

  Breaker(const BreakerOptions& options, std::uint32_t seed) : options_(options), random_(seed) {}

  State state() const { return state_; }
  bool admits() const { return state_ == State::kClosed; }
  // REQUIRES: kOpen. When the next probe is due.
  TimePoint retry_at() const { return retry_at_; }

  void OnProbeStarted();
  void OnProbed();
  // A look-up was answered within its bound.
  void OnAnswered();
  // A PING was, some time after it closed: says nothing about look-ups, but the node has come back to stay.
  void OnPinged() { attempts_ = 0; }
  // A look-up was not, or a PING was slow. True: this one opened it, and the connection is to be dropped.
  bool OnFailure(TimePoint now);
  // The connection was refused or lost, or a PING was.
  void Open(TimePoint now);

 private:
  const BreakerOptions options_;
  std::minstd_rand random_;
  State state_ = State::kConnecting;
  bool was_up_ = false;
  int failures_ = 0;
  TimePoint first_failure_{};
  int attempts_ = 0;  // pauses since one was last answered
  TimePoint retry_at_{};
};

}  // namespace punctual::redis
