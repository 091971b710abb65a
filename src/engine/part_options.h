// What each part of the engine is given of its options.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "answer/worker_pool.h"
#include "cache/tiered_cache.h"
#include "model/repository.h"
#include "punctual/engine.h"
#include "users/directory.h"

namespace punctual {

std::map<std::string, TierEntry> TiersOf(const EngineOptions& options);
std::vector<UserEntry> UsersOf(const EngineOptions& options);
// `pool`: that models are asked on. Measures how long it takes to hand an inference over to it.
LoadOptions LoadOptionsOf(const EngineOptions& options, WorkerPool& pool);
TieredCacheOptions CacheOptionsOf(const EngineOptions& options);
// `tiers`: of the directory, in its order.
PoolOptions PoolOptionsOf(const EngineOptions& options, const std::vector<Tier>& tiers);

}  // namespace punctual
