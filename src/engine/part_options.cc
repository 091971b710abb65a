#include "engine/part_options.h"

#include <utility>

#include "base/threads.h"
#include "engine/backend_choices.h"

namespace punctual {

std::map<std::string, TierEntry> TiersOf(const EngineOptions& options) {
  std::map<std::string, TierEntry> tiers;
  for (const auto& [name, tier] : options.tiers)
    tiers[name] = {tier.budget, tier.weight, {tier.rate, tier.burst}, {tier.user_rate, tier.user_burst}, tier.models};
  return tiers;
}

std::vector<UserEntry> UsersOf(const EngineOptions& options) {
  std::vector<UserEntry> users;
  for (const UserOptions& user : options.users)
    users.push_back({user.name, user.tier, user.style, user.model, user.where});
  return users;
}

LoadOptions LoadOptionsOf(const EngineOptions& options, WorkerPool& pool) {
  LoadOptions load;
  // One that hangs keeps its session.
  load.pool_sessions = static_cast<std::size_t>(pool.workers() + options.spare_workers);
  load.caller_sessions = options.inline_threads;
  load.inline_below = pool.MeasureHandOver();
  load.longest_window = options.market_history;
  load.largest_batch = options.largest_batch;
  load.backend_choices = BackendChoicesOf(options);
  if (options.on_notice)  // each model says the same
    load.on_notice = [notice = options.on_notice, said = std::string()](const std::string& text) mutable {
      if (text != std::exchange(said, text)) notice(text);
    };
  return load;
}

TieredCacheOptions CacheOptionsOf(const EngineOptions& options) {
  TieredCacheOptions cache;
  cache.memory_bytes = options.memory_cache_bytes;
  cache.secret = options.cache_secret;
  cache.on_notice = options.on_notice;
  if (options.disk_cache) {
    cache.disk.emplace(DiskCacheOptions{*options.disk_cache});
    cache.disk->on_notice = options.on_notice;
  }
  if (options.redis) cache.redis.emplace(RedisOptions{*options.redis});
  return cache;
}

PoolOptions PoolOptionsOf(const EngineOptions& options, const std::vector<Tier>& tiers) {
  PoolOptions pool;
  pool.workers = options.workers > 0 ? options.workers : UsableCores();
  pool.queue_limit = options.queue_limit;
  pool.weights.clear();
  for (const Tier& tier : tiers) pool.weights.push_back(tier.weight);
  pool.cores = options.worker_cores;
  pool.nice = options.worker_nice;
  pool.spare_workers = options.spare_workers;
  pool.hung_after = options.hung_after;
  return pool;
}

}  // namespace punctual
