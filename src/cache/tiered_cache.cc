#include "cache/tiered_cache.h"

#include <algorithm>
#include <unordered_map>

#include "base/clock.h"
#include "cache/secret.h"

namespace punctual {

namespace {

std::span<const std::byte> BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

Result<std::unique_ptr<TieredCache>> TieredCache::Open(TieredCacheOptions options) {
  if (options.redis && options.secret.empty())
    return Fail(Code::kInvalidArgument,
                "cache.secret: is missing; servers that share a Redis share a secret, of which the keys are made");
  const auto notice = options.on_notice ? options.on_notice : [](const std::string&) {};
  std::unique_ptr<DiskCache> disk;
  std::string secret = options.secret;
  if (options.disk) {
    auto opened = DiskCache::Open(*options.disk);
    auto own = opened.has_value() && secret.empty() ? SecretIn(options.disk->directory) : Result<std::string>(secret);
    if (opened.has_error()) {
      if (opened.error().code == Code::kInvalidArgument) return opened.error();
      notice("no disk cache: " + opened.error().message);
    } else if (own.has_error()) {
      notice("no disk cache: " + own.error().message);
    } else {
      disk = std::move(opened).value();
      secret = *own;
      if (const std::string text = disk->notice(); !text.empty()) notice(text);
    }
  }
  std::unique_ptr<RedisCache> redis;
  if (options.redis) {
    RedisOptions with_notice = *options.redis;
    with_notice.on_notice = options.on_notice;
    PUNCTUAL_ASSIGN(redis, RedisCache::Open(with_notice));
  }
  std::unique_ptr<TieredCache> cache(new TieredCache(std::move(options), std::move(secret)));
  cache->disk_ = std::move(disk);
  cache->redis_ = std::move(redis);
  cache->purger_ = std::make_unique<Purger>(Purger::Layers{cache->memory_, cache->disk_.get(), cache->redis_.get()},
                                            cache->options_.on_notice);
  return cache;
}

TieredCache::TieredCache(TieredCacheOptions options, std::string secret)
    : options_(std::move(options)), keys_(secret), codec_(keys_.secret()), memory_(options_.memory_bytes) {}

TieredCache::~TieredCache() {
  StopRedis();
  // Before the layers that it purges.
  if (purger_ != nullptr) purger_->Stop();
}

void TieredCache::StopRedis() {
  if (redis_ != nullptr) redis_->Stop();
}

bool TieredCache::GetDisk(const CacheKey& key, const ServedModel& model, CachedAnswer& answer) {
  if (disk_ == nullptr) return false;
  const std::int64_t now_unix_ns = UnixTimeNs();
  RecordCodec::Decoded decoded;
  if (!disk_->Get(key.digest(), now_unix_ns, [&](std::span<const std::byte> record) {
        decoded = codec_.Decode(record, key.digest(), now_unix_ns, model.outputs());
      }))
    return false;
  if (decoded.fault != RecordFault::kNone) {
    disk_faults_.Count(decoded.fault);
    disk_->Remove(key.digest());
    return false;
  }
  answer = std::move(decoded.answer);
  if (model.manifest().HasRung(Source::kL1)) PutMemory(key, answer, Duration(decoded.expires_unix_ns - now_unix_ns));
  return true;
}

void TieredCache::GetRedis(const CacheKey& key, std::shared_ptr<const ServedModel> model, std::string_view symbol,
                           TimePoint give_up_at, bool may_write_disk, RedisCallback callback) {
  const Subject subject = SubjectOf(*model, symbol);
  redis_->Get(key.digest(), subject, give_up_at,
              [this, key, subject, may_write_disk, model = std::move(model), callback = std::move(callback)](
                  RedisLookUp result, std::string_view record) {
                if (result != RedisLookUp::kHit) return callback(result, nullptr);
                const std::int64_t now_unix_ns = UnixTimeNs();
                const auto decoded = codec_.Decode(BytesOf(record), key.digest(), now_unix_ns, model->outputs());
                if (decoded.fault != RecordFault::kNone) {
                  redis_faults_.Count(decoded.fault);
                  // What is merely expired goes by itself: PX is counted by Redis' clock, and may last a bit longer
                  // than by ours, or our clock be ahead of that of who wrote it.
                  if (decoded.fault != RecordFault::kExpired) redis_->Remove(key.digest(), subject);
                  return callback(RedisLookUp::kMiss, nullptr);
                }
                const Manifest& manifest = model->manifest();
                if (manifest.HasRung(Source::kL1))
                  PutMemory(key, decoded.answer, Duration(decoded.expires_unix_ns - now_unix_ns));
                if (may_write_disk && disk_ != nullptr && manifest.HasRung(Source::kL2))
                  disk_->Put(key.digest(), decoded.answer.subject, decoded.expires_unix_ns, std::string(record));
                callback(result, &decoded.answer);
              });
}

void TieredCache::Put(const CacheKey& key, const ServedModel& model, const CachedAnswer& answer, Below below) {
  const Manifest& manifest = model.manifest();
  const Duration ttl = manifest.cache_ttl;
  if (ttl <= Duration::zero()) return;
  if (manifest.HasRung(Source::kL1)) PutMemory(key, answer, ttl);
  const bool on_disk = below.disk && disk_ != nullptr && manifest.HasRung(Source::kL2);
  const bool has_redis = redis_ != nullptr && manifest.HasRung(Source::kL3);
  if (has_redis && !below.redis && !redis_->available()) kept_from_redis_.fetch_add(1, std::memory_order_relaxed);
  const bool in_redis = below.redis && has_redis;
  if (!on_disk && !in_redis) return;
  const std::int64_t expires_unix_ns = UnixTimeNs() + ttl.count();
  std::string record = codec_.Encode(key.digest(), answer, expires_unix_ns);
  if (in_redis) redis_->Put(key.digest(), answer.subject, ttl, on_disk ? record : std::move(record));
  if (on_disk) disk_->Put(key.digest(), answer.subject, expires_unix_ns, std::move(record));
}

void TieredCache::PutMemory(const CacheKey& key, const CachedAnswer& answer, Duration ttl) {
  const TimePoint now = Clock::Real().Now();
  CachedAnswer kept = answer;
  kept.expires = now + ttl;
  memory_.Put(key, kept, now, ttl);
}

void TieredCache::WarmUp(const std::vector<std::shared_ptr<const ServedModel>>& models, TimePoint until) {
  if (disk_ == nullptr || options_.memory_bytes == 0) return;
  std::unordered_map<std::uint64_t, const ServedModel*> by_version;
  for (const auto& model : models)
    if (model->manifest().HasRung(Source::kL1) && model->manifest().HasRung(Source::kL2))
      by_version[SubjectOf(*model, {}).version] = model.get();
  const std::int64_t now_unix_ns = UnixTimeNs();
  std::size_t bytes = 0;
  disk_->ForEachNewest(until, [&](const Digest& digest, const Subject& subject, std::int64_t expires_unix_ns,
                                  std::span<const std::byte> record) {
    const auto model = by_version.find(subject.version);
    if (model == by_version.end() || expires_unix_ns <= now_unix_ns) return true;
    const auto decoded = codec_.Decode(record, digest, now_unix_ns, model->second->outputs());
    if (decoded.fault != RecordFault::kNone) {
      disk_faults_.Count(decoded.fault);
      disk_->Remove(digest);
      return true;
    }
    bytes += MemoryCache::Cost(decoded.answer);
    if (bytes > options_.memory_bytes / 2) return false;
    PutMemory(KeyMaker::Restore(digest), decoded.answer, Duration(decoded.expires_unix_ns - now_unix_ns));
    warmed_.fetch_add(1, std::memory_order_relaxed);
    return true;
  });
}

TieredCacheStats TieredCache::Stats() const {
  TieredCacheStats stats;
  stats.memory = memory_.Stats();
  if (disk_ != nullptr) stats.disk = disk_->Stats();
  if (redis_ != nullptr) {
    stats.redis = redis_->Stats();
    stats.redis->writes_dropped += kept_from_redis_.load(std::memory_order_relaxed);
  }
  for (std::size_t i = 0; i < kRecordFaultCount; ++i) {
    stats.disk_faults[i] = disk_faults_.counts[i].load(std::memory_order_relaxed);
    stats.redis_faults[i] = redis_faults_.counts[i].load(std::memory_order_relaxed);
  }
  stats.warmed = warmed_.load();
  stats.purges = purger_->Purges();
  return stats;
}

}  // namespace punctual
