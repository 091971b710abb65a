// Single flight: of those who ask the same at the same time, one computes and the others wait for its answer.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/memory_cache.h"

namespace punctual {

class SingleFlight;

// The right, and the duty, to land one key's flight: destroyed without Land() it lands with an error, so that nobody
// waits for a computation that is not coming. Movable; an empty one does nothing.
class FlightLead {
 public:
  FlightLead() = default;
  FlightLead(SingleFlight* flights, const CacheKey& key) : flights_(flights), key_(key) {}
  FlightLead(FlightLead&& other) noexcept : flights_(std::exchange(other.flights_, nullptr)), key_(other.key_) {}
  FlightLead& operator=(FlightLead&& other) noexcept;
  ~FlightLead();

  bool leads() const { return flights_ != nullptr; }
  // Tells everyone who joined, on this thread. Does nothing on an empty one.
  void Land(const Result<CachedAnswer>& answer);

 private:
  SingleFlight* flights_ = nullptr;
  CacheKey key_;
};

// Thread-safe. Outlives its leads.
class SingleFlight {
 public:
  // Called once when the flight lands, on the landing thread.
  using Waiter = std::function<void(const Result<CachedAnswer>&)>;

  // Either joins the key's flight (an empty lead comes back, and `waiter` will be called), or begins one (the lead; the
  // waiter is dropped).
  FlightLead JoinOrLead(const CacheKey& key, Waiter waiter);

 private:
  friend class FlightLead;
  static constexpr std::size_t kShards = 32;
  struct alignas(64) Shard {
    Mutex mutex;
    std::unordered_map<CacheKey, std::vector<Waiter>, CacheKeyHash> flights GUARDED_BY(mutex);
  };
  Shard& ShardOf(const CacheKey& key) { return shards_[key.digest().high % kShards]; }
  void Land(const CacheKey& key, const Result<CachedAnswer>& answer);

  Shard shards_[kShards];
};

}  // namespace punctual
