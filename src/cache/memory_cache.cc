#include "cache/memory_cache.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace punctual {

// One allocation. Readers use the first four and the answer; the others are the writers'.
struct MemoryCache::Entry {
  Entry(const CacheKey& its_key, const CachedAnswer& its_answer, TimePoint its_end)
      : key(its_key), expires(its_end), queued{nullptr, nullptr}, answer(its_answer) {}

  const CacheKey key;
  Entry* next = nullptr;  // of the bucket's chain; accessed as an atomic once the entry is linked
  const TimePoint expires;
  std::atomic<bool> visited = false;
  struct Queued {
    Entry* newer;
    Entry* older;
  };
  union {
    Queued queued;                // while linked
    EpochRetired<Entry> retired;  // afterwards
  };
  const CachedAnswer answer;
};

struct alignas(128) MemoryCache::Shard {
  using Entry = MemoryCache::Entry;

  mutable Mutex mutex;
  Entry* newest GUARDED_BY(mutex) = nullptr;
  Entry* oldest GUARDED_BY(mutex) = nullptr;
  Entry* hand GUARDED_BY(mutex) = nullptr;  // null: it is at the oldest
  EpochLimbo<Entry> limbo GUARDED_BY(mutex);
  std::size_t queued_bytes GUARDED_BY(mutex) = 0;
  std::size_t bytes GUARDED_BY(mutex) = 0;  // of all that exist: in the queue, or waiting to be freed
  MemoryCacheStats stats GUARDED_BY(mutex);

  void Enqueue(Entry* entry) REQUIRES_LOCK(mutex);
  void Dequeue(Entry* entry) REQUIRES_LOCK(mutex);
  Entry* NextVictim(TimePoint now) REQUIRES_LOCK(mutex);
  // `link`: the first of the entry's bucket.
  void UnlinkAndRetire(Entry** link, Entry* entry) REQUIRES_LOCK(mutex);
  // Frees entries until `room` bytes are free of `most`, or no more can be freed. False: there is no such room.
  bool MakeRoom(std::size_t room, std::size_t most) REQUIRES_LOCK(mutex);
  // Frees entries that no reader can be at, `max` at most. False: there are no more such.
  bool Free(std::size_t max) REQUIRES_LOCK(mutex);
};

namespace {

// What malloc adds to a block, by glibc's sizes: 8 bytes, and up to a multiple of 16.
constexpr std::size_t BlockBytes(std::size_t size) { return (size + 8 + 15) / 16 * 16; }

// The first of the obligations in base/epoch.h: every access to a link that readers may follow is sequentially
// consistent.
template <class T>
T* Load(T*& link) {
  return std::atomic_ref<T*>(link).load();
}
template <class T>
void Store(T*& link, T* to) {
  std::atomic_ref<T*>(link).store(to);
}

constexpr std::size_t kFreedPerPut = 4;
constexpr std::uint64_t kLongestWalk = 1024;  // some tens of microseconds
constexpr std::size_t kBucketsPerPurgeLock = 256;
constexpr std::size_t kFreedPerPurgeLock = 256;

}  // namespace

void MemoryCache::Shard::Enqueue(Entry* entry) {
  entry->queued = {nullptr, newest};
  (newest != nullptr ? newest->queued.newer : oldest) = entry;
  newest = entry;
  queued_bytes += Cost(entry->answer);
  ++stats.entries;
}

void MemoryCache::Shard::Dequeue(Entry* entry) {
  const auto [newer, older] = entry->queued;
  (newer != nullptr ? newer->queued.older : newest) = older;
  (older != nullptr ? older->queued.newer : oldest) = newer;
  // The hand goes on towards the newest from where the entry was.
  if (hand == entry) hand = newer;
  queued_bytes -= Cost(entry->answer);
  --stats.entries;
}

MemoryCache::Entry* MemoryCache::Shard::NextVictim(TimePoint now) {
  Entry* at = hand != nullptr ? hand : oldest;
  // Not for ever: where all were hit it would be once around, with the lock, and others wait for that.
  for (std::uint64_t left = std::min(stats.entries, kLongestWalk); left > 0; --left) {
    if (!at->visited.load(std::memory_order_relaxed) || now >= at->expires) break;
    at->visited.store(false, std::memory_order_relaxed);
    at = at->queued.newer != nullptr ? at->queued.newer : oldest;
  }
  return hand = at;
}

void MemoryCache::Shard::UnlinkAndRetire(Entry** link, Entry* entry) {
  while (Load(*link) != entry) link = &Load(*link)->next;
  Store(*link, Load(entry->next));
  limbo.Retire(entry);
}

bool MemoryCache::Shard::Free(std::size_t max) {
  for (; max > 0; --max) {
    const std::unique_ptr<Entry> entry = limbo.TakeFree();
    if (entry == nullptr) return false;
    bytes -= Cost(entry->answer);
  }
  return true;
}

bool MemoryCache::Shard::MakeRoom(std::size_t room, std::size_t most) {
  if (bytes + room <= most) return true;
  if (TryAdvanceEpoch()) TryAdvanceEpoch();
  while (bytes + room > most && Free(1)) {
  }
  return bytes + room <= most;
}

MemoryCache::MemoryCache(std::size_t bytes, std::size_t shards)
    : shard_count_(shards), shard_bytes_(bytes / shards), shards_(std::make_unique<Shard[]>(shards)) {
  const std::size_t smallest = Cost(CachedAnswer{});
  if (shard_bytes_ < smallest + smallest / 4) return;
  // One bucket or more for each entry, if all are small. More memory than the system would ever give gets fewer.
  shard_buckets_ = std::bit_ceil(shard_bytes_ / smallest);
  while ((buckets_ = static_cast<Entry**>(std::calloc(shard_buckets_ * shards, sizeof(Entry*)))) == nullptr)
    shard_buckets_ /= 2;
  bucket_count_ = shard_buckets_ * shards;
  capacity_ = shard_bytes_ - shard_bytes_ / 16 - shard_buckets_ * sizeof(Entry*);
}

MemoryCache::~MemoryCache() {
  for (std::size_t s = 0; s < shard_count_; ++s) {
    Shard& shard = shards_[s];
    MutexLock lock(shard.mutex);
    while (Entry* entry = shard.oldest) {
      shard.Dequeue(entry);
      delete entry;
    }
  }
  std::free(buckets_);
}

std::size_t MemoryCache::Cost(const CachedAnswer& answer) {
  // A large block is shared, and has its counts (16 bytes) with it.
  const std::size_t block = answer.outputs.shared_bytes();
  return BlockBytes(sizeof(Entry)) + (block == 0 ? 0 : BlockBytes(block + 16));
}

bool MemoryCache::Get(const CacheKey& key, TimePoint now, CachedAnswer& answer) const {
  if (bucket_count_ == 0) return false;
  const EpochGuard guard;
  Entry* const entry = Find(BucketOf(key), key);
  if (entry == nullptr || now >= entry->expires) return false;
  // Written once, then only read: what is asked for often stays in every core's own cache.
  if (!entry->visited.load(std::memory_order_relaxed)) entry->visited.store(true, std::memory_order_relaxed);
  answer = entry->answer;
  return true;
}

MemoryCache::Entry* MemoryCache::Find(std::size_t bucket, const CacheKey& key) const {
  Entry* entry = Load(buckets_[bucket]);
  while (entry != nullptr && !(entry->key == key)) entry = Load(entry->next);
  return entry;
}

MemoryCache::Shard& MemoryCache::ShardOfBucket(std::size_t bucket) const { return shards_[bucket / shard_buckets_]; }

void MemoryCache::Put(const CacheKey& key, const CachedAnswer& answer, TimePoint now, Duration ttl) {
  if (bucket_count_ == 0 || ttl <= Duration::zero()) return;
  const std::size_t cost = Cost(answer), bucket = BucketOf(key);
  Shard& shard = ShardOfBucket(bucket);
  MutexLock lock(shard.mutex);

  // A reader that does not leave holds up what was evicted: then evicting more would only lose more.
  const std::size_t most = shard_bytes_ - shard_buckets_ * sizeof(Entry*);
  if (cost <= capacity_ && !shard.MakeRoom(cost, most) && !shard.limbo.empty()) {
    ++shard.stats.refused;
    return;
  }
  Entry* replaced = Find(bucket, key);
  if (replaced != nullptr) {
    if (now >= replaced->expires) ++shard.stats.expirations;
    shard.Dequeue(replaced);
  }
  while (cost <= capacity_ && shard.queued_bytes + cost > capacity_) {
    Entry* const victim = shard.NextVictim(now);
    ++(now >= victim->expires ? shard.stats.expirations : shard.stats.evictions);
    shard.Dequeue(victim);
    shard.UnlinkAndRetire(&buckets_[BucketOf(victim->key)], victim);
  }
  if (replaced != nullptr && shard.bytes + cost > most)
    shard.UnlinkAndRetire(&buckets_[bucket], std::exchange(replaced, nullptr));
  if (cost <= capacity_ && shard.MakeRoom(cost, most)) {
    Entry* const entry = new Entry(key, answer, now + ttl);
    entry->next = Load(buckets_[bucket]);
    Store(buckets_[bucket], entry);  // before the replaced one goes: readers find one or the other
    shard.bytes += cost;
    shard.Enqueue(entry);
  } else {
    ++shard.stats.refused;
  }
  if (replaced != nullptr) shard.UnlinkAndRetire(&buckets_[bucket], replaced);
  shard.Free(kFreedPerPut);
}

std::uint64_t MemoryCache::Purge(const SubjectFilter& filter) {
  std::uint64_t purged = 0;
  for (std::size_t bucket = 0; bucket < bucket_count_;) {
    Shard& shard = ShardOfBucket(bucket);
    // Both are powers of two, so a part never reaches into the next shard.
    const std::size_t end = bucket + std::min(kBucketsPerPurgeLock, shard_buckets_);
    MutexLock lock(shard.mutex);
    for (; bucket < end; ++bucket)
      for (Entry* entry = Load(buckets_[bucket]); entry != nullptr;) {
        Entry* const next = Load(entry->next);
        if (filter.Matches(entry->answer.subject)) {
          shard.Dequeue(entry);
          shard.UnlinkAndRetire(&buckets_[bucket], entry);
          ++purged;
        }
        entry = next;
      }
    shard.Free(kFreedPerPurgeLock);
  }
  if (purged == 0) return 0;
  if (TryAdvanceEpoch()) TryAdvanceEpoch();
  for (std::size_t s = 0; s < shard_count_; ++s)
    for (bool more = true; more;) {
      MutexLock lock(shards_[s].mutex);
      more = shards_[s].Free(kFreedPerPurgeLock);
    }
  return purged;
}

MemoryCacheStats MemoryCache::Stats() const {
  MemoryCacheStats sum;
  sum.bytes = bucket_count_ * sizeof(Entry*);
  for (std::size_t s = 0; s < shard_count_; ++s) {
    const Shard& shard = shards_[s];
    MutexLock lock(shard.mutex);
    sum.entries += shard.stats.entries;
    sum.bytes += shard.bytes;
    sum.held_bytes += shard.bytes - shard.queued_bytes;
    sum.evictions += shard.stats.evictions;
    sum.expirations += shard.stats.expirations;
    sum.refused += shard.stats.refused;
  }
  return sum;
}

}  // namespace punctual
