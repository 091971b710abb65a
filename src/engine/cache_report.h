// What the cache's layers say of themselves: to EngineStats and to /metrics.
#pragma once

#include "cache/tiered_cache.h"
#include "engine/metrics.h"
#include "punctual/cache.h"
#include "telemetry/registry.h"

namespace punctual {

CacheStats CacheStatsOf(const TieredCacheStats& layers, const EngineMetrics& metrics, std::size_t memory_limit_bytes);

// Reads `cache` at each exposition: it must outlive the registry's use.
void AddCacheMetrics(telemetry::Registry& registry, const TieredCache& cache);

}  // namespace punctual
