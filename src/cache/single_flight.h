// Single flight: of those who ask the same at the same time, one computes and the others wait for its answer.
#pragma once

#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/memory_cache.h"

namespace punctual {

class SingleFlight;

// One who asks: who leads hears who joins it, who joined hears what came of it.
class FlightMember {
 public:
  virtual ~FlightMember() = default;
  // Once, on the landing thread.
  virtual void OnLanded(const Result<CachedAnswer>& landed) = 0;
  // `follower` waits for our landing now too. On the follower's thread; perhaps when we have just landed.
  virtual void OnFollowed(const FlightMember& follower) = 0;
};

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
  // Either joins the key's flight (an empty lead comes back, the leader has heard of it, and OnLanded will be called),
  // or begins one (the lead; a leader that is gone is not told of those who join).
  FlightLead JoinOrLead(const CacheKey& key, const std::shared_ptr<FlightMember>& member);
  // Flights that have not landed.
  std::size_t size();

 private:
  friend class FlightLead;
  static constexpr std::size_t kShards = 32;
  struct Flight {
    std::weak_ptr<FlightMember> leader;
    std::vector<std::shared_ptr<FlightMember>> followers;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    std::unordered_map<CacheKey, Flight, CacheKeyHash> flights GUARDED_BY(mutex);
  };
  Shard& ShardOf(const CacheKey& key) { return shards_[key.digest().high % kShards]; }
  void Land(const CacheKey& key, const Result<CachedAnswer>& answer);

  Shard shards_[kShards];
};

}  // namespace punctual
