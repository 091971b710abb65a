#include "engine/cache_report.h"

#include <functional>

namespace punctual {

namespace {

std::map<std::string, std::uint64_t> FaultsOf(const std::array<std::uint64_t, kRecordFaultCount>& counts) {
  std::map<std::string, std::uint64_t> faults;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0) faults[std::string(RecordFaultName(static_cast<RecordFault>(i)))] = counts[i];
  return faults;
}

}  // namespace

CacheStats CacheStatsOf(const TieredCacheStats& layers, const EngineMetrics& metrics, std::size_t memory_limit_bytes) {
  CacheStats stats;
  stats.memory.look_ups = metrics.LookUps(CacheLayer::kMemory);
  stats.memory.entries = layers.memory.entries;
  stats.memory.bytes = layers.memory.bytes;
  stats.memory.limit_bytes = memory_limit_bytes;
  stats.memory.evictions = layers.memory.evictions;
  stats.memory.expirations = layers.memory.expirations;
  stats.memory.refused = layers.memory.refused;
  stats.memory.warmed = layers.warmed;
  if (layers.disk) {
    DiskLayerStats& disk = stats.disk.emplace();
    disk.look_ups = metrics.LookUps(CacheLayer::kDisk);
    disk.entries = layers.disk->entries;
    disk.bytes = layers.disk->bytes;
    disk.limit_bytes = layers.disk->bound_bytes;
    disk.queued = layers.disk->queued;
    disk.writes = layers.disk->writes;
    disk.dropped = layers.disk->dropped;
    disk.failed = layers.disk->failed;
    disk.evictions = layers.disk->evictions;
    disk.expirations = layers.disk->expirations;
    disk.slow_look_ups = layers.disk->slow_look_ups;
    disk.resting = layers.disk->resting;
    disk.faults = FaultsOf(layers.disk_faults);
    if (layers.disk->damaged != 0) disk.faults["damaged"] = layers.disk->damaged;
    disk.last_error = layers.disk->resting ? layers.disk->why_resting : layers.disk->last_error;
  }
  if (layers.redis) {
    RedisLayerStats& redis = stats.redis.emplace();
    redis.look_ups = metrics.LookUps(CacheLayer::kRedis);
    redis.outstanding = layers.redis->look_ups_outstanding;
    redis.writes = layers.redis->written;
    redis.dropped = layers.redis->writes_dropped;
    redis.failed = layers.redis->write_errors;
    redis.connects = layers.redis->connects;
    redis.connects_failed = layers.redis->connects_failed;
    redis.faults = FaultsOf(layers.redis_faults);
    for (const RedisNodeStats& node : layers.redis->nodes)
      redis.nodes.push_back({node.address, node.role, node.state, node.outstanding, node.look_up_time, node.last_error,
                             node.last_error_age});
  }
  stats.purges = layers.purges;
  for (const PurgeStatus& purge : layers.purges) stats.purges_running += purge.running;
  return stats;
}

void AddCacheMetrics(telemetry::Registry& registry, const TieredCache& cache) {
  using Read = std::function<std::uint64_t(const TieredCacheStats&)>;
  const auto of_layer = [&](const char* layer, bool counts, const char* name, const char* help, const Read& read) {
    const auto value = [&cache, read] { return static_cast<double>(read(cache.Stats())); };
    if (counts)
      registry.AddCounter(name, help, {{"layer", layer}}, value);
    else
      registry.AddGauge(name, help, {{"layer", layer}}, value);
  };
  constexpr const char* kBytes[] = {"punctual_cache_bytes", "Bytes the layer holds, bookkeeping included"};
  constexpr const char* kEntries[] = {"punctual_cache_entries", "Answers the layer holds"};
  constexpr const char* kEvictions[] = {"punctual_cache_evictions_total", "Answers dropped to make room"};
  constexpr const char* kWrites[] = {"punctual_cache_writes_total", "Answers that the layer took"};
  constexpr const char* kDropped[] = {"punctual_cache_writes_dropped_total",
                                      "Answers that the layer was not given: its queue was full, it was away, or they "
                                      "were too large"};
  constexpr const char* kFailed[] = {"punctual_cache_writes_failed_total", "Answers that the layer could not write"};
  constexpr const char* kFaults[] = {"punctual_cache_record_faults_total", "Records that were found to be no answers"};
  const auto sum = [](const auto& counts) {
    std::uint64_t all = 0;
    for (const std::uint64_t count : counts) all += count;
    return all;
  };
  of_layer("memory", false, kBytes[0], kBytes[1], [](const TieredCacheStats& s) { return s.memory.bytes; });
  of_layer("memory", false, kEntries[0], kEntries[1], [](const TieredCacheStats& s) { return s.memory.entries; });
  of_layer("memory", true, kEvictions[0], kEvictions[1], [](const TieredCacheStats& s) { return s.memory.evictions; });
  of_layer("memory", true, "punctual_cache_warmed_total", "Answers that the start found on disk",
           [](const TieredCacheStats& s) { return s.warmed; });
  if (cache.has_disk()) {
    of_layer("disk", false, kBytes[0], kBytes[1], [](const TieredCacheStats& s) { return s.disk->bytes; });
    of_layer("disk", false, kEntries[0], kEntries[1], [](const TieredCacheStats& s) { return s.disk->entries; });
    of_layer("disk", true, kEvictions[0], kEvictions[1], [](const TieredCacheStats& s) { return s.disk->evictions; });
    of_layer("disk", false, "punctual_cache_writes_queued", "Answers that wait to be written",
             [](const TieredCacheStats& s) { return s.disk->queued; });
    of_layer("disk", true, kWrites[0], kWrites[1], [](const TieredCacheStats& s) { return s.disk->writes; });
    of_layer("disk", true, kDropped[0], kDropped[1], [](const TieredCacheStats& s) { return s.disk->dropped; });
    of_layer("disk", true, kFailed[0], kFailed[1], [](const TieredCacheStats& s) { return s.disk->failed; });
    of_layer("disk", true, kFaults[0], kFaults[1],
             [sum](const TieredCacheStats& s) { return sum(s.disk_faults) + s.disk->damaged; });
  }
  if (cache.has_redis()) {
    of_layer("redis", true, kWrites[0], kWrites[1], [](const TieredCacheStats& s) { return s.redis->written; });
    of_layer("redis", true, kDropped[0], kDropped[1],
             [](const TieredCacheStats& s) { return s.redis->writes_dropped; });
    of_layer("redis", true, kFailed[0], kFailed[1], [](const TieredCacheStats& s) { return s.redis->write_errors; });
    of_layer("redis", true, kFaults[0], kFaults[1], [sum](const TieredCacheStats& s) { return sum(s.redis_faults); });
    registry.AddGauge("punctual_redis_nodes_up", "Nodes of Redis that answer", {}, [&cache] {
      double up = 0;
      const TieredCacheStats stats = cache.Stats();
      for (const RedisNodeStats& node : stats.redis->nodes) up += node.state == "up" ? 1 : 0;
      return up;
    });
    registry.AddGauge("punctual_redis_nodes", "Nodes of Redis that are configured, or that its cluster names", {},
                      [&cache] { return static_cast<double>(cache.Stats().redis->nodes.size()); });
    registry.AddCounter("punctual_redis_connects_failed_total", "Attempts to connect to a node that came to nothing",
                        {}, [&cache] { return static_cast<double>(cache.Stats().redis->connects_failed); });
    registry.AddGauge("punctual_redis_look_up_seconds", "What a look-up in Redis is expected to take; 0: not known", {},
                      [&cache] {
                        const Duration expected = cache.redis_expected();
                        return expected >= RedisCache::kNever ? 0 : static_cast<double>(expected.count()) / 1e9;
                      });
  }
}

}  // namespace punctual
