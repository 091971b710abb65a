// How Redis is reached and how much it may cost.
#pragma once

#include <functional>
#include <string>

#include "cache/redis/breaker.h"
#include "cache/redis/name_look_ups.h"
#include "punctual/cache.h"
#include "punctual/result.h"

namespace punctual {

// What users configure, and what only tests want otherwise.
struct RedisOptions : RedisLayerOptions {
  Duration ping_interval = std::chrono::seconds(1);  // per node; a PING that is out for as long again is lost
  redis::BreakerOptions breaker;                     // per node
  redis::Resolve resolve;                            // how names become addresses; empty: by the system
  // What an operator should know: that a node came up or went away. On the redis thread; must not block. May be empty.
  std::function<void(const std::string&)> on_notice;
};

// kInvalidArgument, naming the field ("cache.redis.nodes: ...").
Result<void> Validate(const RedisOptions& options);

}  // namespace punctual
