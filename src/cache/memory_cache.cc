#include "cache/memory_cache.h"

namespace punctual {

namespace {
// Allocator and hash-table bookkeeping of one entry and of each of its tensors, by their sizes in libstdc++.
constexpr std::size_t kEntryOverhead = 96;
constexpr std::size_t kTensorOverhead = 48;
}  // namespace

MemoryCache::MemoryCache(std::size_t bytes, const Clock& clock, std::size_t shards)
    : shard_bytes_(bytes / shards), clock_(clock) {
  for (std::size_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<Shard>());
    MutexLock lock(shards_.back()->mutex);
    shards_.back()->hand = shards_.back()->queue.end();
  }
}

std::size_t MemoryCache::Cost(const CachedAnswer& answer) {
  std::size_t cost = sizeof(Entry) + kEntryOverhead;
  for (const NamedTensor& output : *answer.outputs)
    cost += sizeof(NamedTensor) + kTensorOverhead + output.name.size() + output.tensor.bytes().size() +
            output.tensor.shape().size() * sizeof(std::int64_t);
  return cost;
}

std::optional<CachedAnswer> MemoryCache::Get(const CacheKey& key) {
  Shard& shard = ShardOf(key);
  MutexLock lock(shard.mutex);
  const auto found = shard.index.find(key);
  if (found == shard.index.end()) {
    ++shard.stats.misses;
    return std::nullopt;
  }
  if (clock_.Now() >= found->second->expires) {
    Remove(shard, found->second);
    ++shard.stats.expirations;
    ++shard.stats.misses;
    return std::nullopt;
  }
  found->second->visited = true;
  ++shard.stats.hits;
  return found->second->answer;
}

void MemoryCache::Put(const CacheKey& key, CachedAnswer answer, Duration ttl) {
  const std::size_t cost = Cost(answer);
  if (cost > shard_bytes_ || ttl <= Duration::zero()) return;
  Shard& shard = ShardOf(key);
  MutexLock lock(shard.mutex);
  if (const auto found = shard.index.find(key); found != shard.index.end()) Remove(shard, found->second);
  while (shard.bytes + cost > shard_bytes_) EvictOne(shard);
  shard.queue.push_front({key, std::move(answer), clock_.Now() + ttl, cost, false});
  shard.index.emplace(key, shard.queue.begin());
  shard.bytes += cost;
}

void MemoryCache::Remove(Shard& shard, Queue::iterator entry) {
  // The hand goes on towards the head from where the entry was.
  if (shard.hand == entry) shard.hand = entry == shard.queue.begin() ? shard.queue.end() : std::prev(entry);
  shard.bytes -= entry->cost;
  shard.index.erase(entry->key);
  shard.queue.erase(entry);
}

void MemoryCache::EvictOne(Shard& shard) {
  auto hand = shard.hand == shard.queue.end() ? std::prev(shard.queue.end()) : shard.hand;
  while (hand->visited) {
    hand->visited = false;
    hand = hand == shard.queue.begin() ? std::prev(shard.queue.end()) : std::prev(hand);
  }
  shard.hand = hand;
  Remove(shard, hand);
  ++shard.stats.evictions;
}

MemoryCacheStats MemoryCache::Stats() const {
  MemoryCacheStats sum;
  for (const auto& shard : shards_) {
    MutexLock lock(shard->mutex);
    sum.entries += shard->queue.size();
    sum.bytes += shard->bytes;
    sum.hits += shard->stats.hits;
    sum.misses += shard->stats.misses;
    sum.evictions += shard->stats.evictions;
    sum.expirations += shard->stats.expirations;
  }
  return sum;
}

}  // namespace punctual
