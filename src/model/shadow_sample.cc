#include "model/shadow_sample.h"

namespace punctual {

namespace {

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014): the number of a call, mixed.
double UniformOf(std::uint64_t seed, std::uint64_t call) {
  std::uint64_t z = seed + (call + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

}  // namespace

bool ShadowSample::Draw() { return UniformOf(seed_, calls_.fetch_add(1, std::memory_order_relaxed)) < share_; }

}  // namespace punctual
