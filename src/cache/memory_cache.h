// The first layer: answers in this process's memory, bounded by bytes, each for its time to live.
//
// Readers take no lock and write nothing that others read, except once a bit per entry: they follow the chain of the
// key's hash bucket under an EpochGuard (base/epoch) and copy the answer. Writers change one shard at a time, under its
// lock, and free an entry when no reader can be at it any more; until then it counts.
//
// What goes when it is full is chosen by SIEVE (Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024): new entries at
// the head of a queue, a hit sets a bit, a hand walks from the tail and evicts the first entry without the bit,
// clearing bits on its way. Hits move nothing, and a scan of questions asked once does not flush those asked often. An
// entry whose time is over goes when the hand comes to it, whatever its bit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/epoch.h"
#include "base/mutex.h"
#include "cache/key.h"
#include "cache/record/cached_answer.h"
#include "punctual/prediction.h"

namespace punctual {

struct MemoryCacheStats {
  std::uint64_t entries = 0;      // those whose time is over included, until the hand comes to them
  std::uint64_t bytes = 0;        // entries, hash buckets, and what waits to be freed
  std::uint64_t held_bytes = 0;   // the part of `bytes` that waits to be freed
  std::uint64_t evictions = 0;    // for room
  std::uint64_t expirations = 0;  // their time was over when they were evicted or replaced
  std::uint64_t refused = 0;      // puts not kept: larger than a shard, or no room because a reader does not leave
};

// Thread-safe. Destroyed when nobody uses it.
class MemoryCache {
 public:
  // `bytes`: for answers and all bookkeeping. Too few for one small answer a shard: keeps nothing.
  // `shards`: a power of two. Writers of one shard wait for each other.
  explicit MemoryCache(std::size_t bytes, std::size_t shards = 32);
  ~MemoryCache();
  MemoryCache(const MemoryCache&) = delete;
  MemoryCache& operator=(const MemoryCache&) = delete;

  // True: `answer` is the key's, and was put less than its time to live before `now`. False: `answer` is as it was.
  bool Get(const CacheKey& key, TimePoint now, CachedAnswer& answer) const;

  // Replaces what was there. Too large an answer is not kept, and drops what was there; one for which there is no room,
  // since a reader does not leave, may leave it. A ttl that is not above 0: does nothing.
  // Costs a few hundred nanoseconds; a put that has to evict walks on from the hand, over as many entries as were hit
  // since it last came by, 1,024 at most: then the one it has come to goes although it was hit.
  void Put(const CacheKey& key, const CachedAnswer& answer, TimePoint now, Duration ttl);

  // Drops what agrees with the filter, and says how many. What is put meanwhile may stay. Takes each shard's lock for
  // some entries at a time.
  std::uint64_t Purge(const SubjectFilter& filter);

  MemoryCacheStats Stats() const;

  // What an answer counts for, bookkeeping included, the hash buckets not.
  static std::size_t Cost(const CachedAnswer& answer);
  // What the entries of one shard may cost together: its share of the bytes, less its hash buckets, less 1/16 of it for
  // entries that wait to be freed.
  std::size_t shard_capacity() const { return capacity_; }

 private:
  struct Entry;
  struct Shard;

  std::size_t BucketOf(const CacheKey& key) const { return key.digest().low & (bucket_count_ - 1); }
  Shard& ShardOfBucket(std::size_t bucket) const;
  // For readers under a guard, and for writers of the bucket's shard. Null: there is none.
  Entry* Find(std::size_t bucket, const CacheKey& key) const;

  const std::size_t shard_count_;
  const std::size_t shard_bytes_;
  std::size_t shard_buckets_ = 0;  // per shard, a power of two: neighbours, so that shards share no line of them
  std::size_t bucket_count_ = 0;   // 0: keeps nothing
  std::size_t capacity_ = 0;
  // The first entry of each bucket's chain. Plain pointers, accessed as atomics: from calloc, so that buckets nobody
  // has used yet take no memory.
  Entry** buckets_ = nullptr;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace punctual
