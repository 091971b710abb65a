// The layers as one: memory (L1), disk (L2), Redis (L3). What a lower layer gives is kept by those above it; what is
// computed is kept by all. In which order they are asked is the ladder's business (answer/ladder.h), how they are kept
// here.
//
// What comes from disk or Redis is outside input: validated by RecordCodec, counted and removed if it is no answer.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/disk/disk_cache.h"
#include "cache/key.h"
#include "cache/memory_cache.h"
#include "cache/purger.h"
#include "cache/record/record.h"
#include "cache/redis/redis_cache.h"

namespace punctual {

struct TieredCacheOptions {
  std::size_t memory_bytes = 0;
  std::string secret;                                 // empty: the disk cache's own, else a random one
  std::optional<DiskCacheOptions> disk;               // none: no such layer
  std::optional<RedisOptions> redis;                  // none: no such layer; needs `secret`
  std::function<void(const std::string&)> on_notice;  // what an operator should know; may be empty
};

struct TieredCacheStats {
  MemoryCacheStats memory;
  std::optional<DiskCacheStats> disk;
  std::optional<RedisStats> redis;
  // Records that were no answers, by what was wrong with them.
  std::array<std::uint64_t, kRecordFaultCount> disk_faults{}, redis_faults{};
  std::uint64_t warmed = 0;  // answers that the start found on disk
  std::vector<PurgeStatus> purges;
};

// Thread-safe.
class TieredCache {
 public:
  // kInvalidArgument names the option. A disk that cannot be used is a notice, not an error: the other layers serve.
  static Result<std::unique_ptr<TieredCache>> Open(TieredCacheOptions options);
  ~TieredCache();

  const KeyMaker& keys() const { return keys_; }
  bool has_disk() const { return disk_ != nullptr; }
  bool has_redis() const { return redis_ != nullptr; }

  // On a hit `answer` is set. Takes no lock.
  bool GetMemory(const CacheKey& key, TimePoint now, CachedAnswer& answer) const {
    return memory_.Get(key, now, answer);
  }
  // On the calling thread, a microsecond or so. A hit is promoted.
  bool GetDisk(const CacheKey& key, const ServedModel& model, CachedAnswer& answer);
  // Calls back once, at the latest at `give_up_at`, on Redis' thread or on this one. A hit is promoted, to
  // the disk if `may_write_disk`.
  using RedisCallback = std::function<void(RedisLookUp result, const CachedAnswer* answer)>;
  void GetRedis(const CacheKey& key, std::shared_ptr<const ServedModel> model, std::string_view symbol,
                TimePoint give_up_at, bool may_write_disk, RedisCallback callback);
  // What a look-up in Redis takes lately; RedisCache::kNever if there is nothing to ask.
  Duration redis_expected() const { return redis_ != nullptr ? redis_->expected() : RedisCache::kNever; }

  // Keeps what was computed in memory and in `below`, as far as the model's ladder names them. Never blocks.
  struct Below {
    bool disk = true, redis = true;
  };
  void Put(const CacheKey& key, const ServedModel& model, const CachedAnswer& answer, Below below);
  // In memory alone.
  void PutMemory(const CacheKey& key, const CachedAnswer& answer, Duration ttl);

  // The longest `cache.ttl_ms` of the models that are served; after each change of them. See DiskCache::SetLongestTtl.
  void SetLongestTtl(Duration ttl) {
    if (disk_ != nullptr) disk_->SetLongestTtl(ttl);
  }

  // Fills the memory from the disk with answers of `models`, the newest first, until `until` or until half of it is
  // full.
  void WarmUp(const std::vector<std::shared_ptr<const ServedModel>>& models, TimePoint until);

  // Drops answers in the background; see Purger::Purge.
  void Purge(PurgeOrder order, Purger::Emptied emptied) { purger_->Purge(std::move(order), std::move(emptied)); }

  // Redis is asked no more; look-ups that are out call back. The rest goes on until the destructor.
  void StopRedis();

  TieredCacheStats Stats() const;

 private:
  TieredCache(TieredCacheOptions options, std::string secret);
  struct Faults {
    std::array<std::atomic<std::uint64_t>, kRecordFaultCount> counts{};
    void Count(RecordFault fault) { counts[static_cast<std::size_t>(fault)].fetch_add(1, std::memory_order_relaxed); }
  };

  const TieredCacheOptions options_;
  const KeyMaker keys_;
  const RecordCodec codec_;
  MemoryCache memory_;
  Faults disk_faults_, redis_faults_;
  std::atomic<std::uint64_t> warmed_ = 0;
  std::atomic<std::uint64_t> kept_from_redis_ = 0;  // answers, since it was away
  std::unique_ptr<Purger> purger_;
  // Last: their threads end before what they use.
  std::unique_ptr<DiskCache> disk_;
  std::unique_ptr<RedisCache> redis_;
};

}  // namespace punctual
