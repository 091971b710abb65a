// The first layer: answers in this process's memory, bounded by bytes, each for its time to live.
//
// What goes when it is full is chosen by SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): new entries at
// the head of a queue, a hit sets a bit, a hand walks from the tail and evicts the first entry without the bit,
// clearing bits on its way. Hits move nothing, and a scan of questions asked once does not flush those asked often.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "cache/key.h"

namespace punctual {

// What a cache keeps: the answer as the model gave it. Provenance is the asker's own.
struct CachedAnswer {
  Outputs outputs;
  std::shared_ptr<const ModelIdentity> identity;
};

struct MemoryCacheStats {
  std::uint64_t entries = 0, bytes = 0, hits = 0, misses = 0, evictions = 0, expirations = 0;
};

// Thread-safe; keys are spread over shards, each with its own lock.
class MemoryCache {
 public:
  // `bytes`: for answers and their bookkeeping, of all shards together. 0: keeps nothing.
  // `shards`: a power of two.
  MemoryCache(std::size_t bytes, const Clock& clock, std::size_t shards = 32);

  std::optional<CachedAnswer> Get(const CacheKey& key);
  // Replaces what was there. An answer larger than a shard is not kept. ttl 0: not kept.
  void Put(const CacheKey& key, CachedAnswer answer, Duration ttl);
  MemoryCacheStats Stats() const;

  // What an answer counts for, bookkeeping included.
  static std::size_t Cost(const CachedAnswer& answer);

 private:
  struct Entry {
    CacheKey key;
    CachedAnswer answer;
    TimePoint expires;
    std::size_t cost = 0;
    bool visited = false;
  };
  using Queue = std::list<Entry>;  // front: newest
  struct alignas(64) Shard {
    mutable Mutex mutex;
    Queue queue GUARDED_BY(mutex);
    std::unordered_map<CacheKey, Queue::iterator, CacheKeyHash> index GUARDED_BY(mutex);
    Queue::iterator hand GUARDED_BY(mutex);
    std::size_t bytes GUARDED_BY(mutex) = 0;
    MemoryCacheStats stats GUARDED_BY(mutex);
  };

  Shard& ShardOf(const CacheKey& key) { return *shards_[key.digest().high & (shards_.size() - 1)]; }
  static void Remove(Shard& shard, Queue::iterator entry) REQUIRES_LOCK(shard.mutex);
  static void EvictOne(Shard& shard) REQUIRES_LOCK(shard.mutex);

  const std::size_t shard_bytes_;
  const Clock& clock_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace punctual
