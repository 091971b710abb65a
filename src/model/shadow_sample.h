// Which answers are asked for again in the background: a random share of them, and only so many at a time.
#pragma once

#include <atomic>
#include <cstdint>

namespace punctual {

// Thread-safe, takes no lock.
class ShadowSample {
 public:
  static constexpr int kMostWaiting = 64;

  // `share` in [0, 1]; the choice is the seed's.
  ShadowSample(double share, std::uint64_t seed) : share_(share), seed_(seed) {}

  double share() const { return share_; }
  // True for a random `share` of the calls.
  bool Draw();
  // What was drawn begins, and ends: it holds a question's inputs while it waits. False: kMostWaiting wait already.
  bool Begin() {
    if (waiting_.fetch_add(1, std::memory_order_relaxed) < kMostWaiting) return true;
    End();
    return false;
  }
  void End() { waiting_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  const double share_;
  const std::uint64_t seed_;
  alignas(64) std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<int> waiting_ = 0;
};

}  // namespace punctual
