// How Redis is reached and how much it may cost.
#pragma once

#include "cache/redis/breaker.h"
#include "punctual/cache.h"
#include "punctual/result.h"

namespace punctual {

// What users configure, and what only tests want otherwise.
struct RedisOptions : RedisLayerOptions {
  Duration ping_interval = std::chrono::seconds(1);  // per node; a PING that is out for as long again is lost
  redis::BreakerOptions breaker;                     // per node
};

// kInvalidArgument, naming the field ("cache.redis.nodes: ...").
Result<void> Validate(const RedisOptions& options);

}  // namespace punctual
