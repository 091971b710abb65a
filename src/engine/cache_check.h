// Whether the cache's layers could be used as they are configured, found out without making anything: for a check of
// the configuration.
#pragma once

#include <string>
#include <vector>

#include "punctual/engine.h"

namespace punctual {

struct CacheCheck {
  std::vector<std::string> faults;  // "cache.redis.nodes: 10.0.0.1:6379: why"
  std::vector<std::string> notes;   // what is as it should be, but not there yet
};

// Looks whether the disk cache's folder could be made, if it is not there, and tries each node of Redis once, for
// connect_timeout at most. Takes out of `options` what an engine that is opened next would make or try again: a folder
// that is not there, and Redis. A folder that is there is the engine's to open (EngineStats::cache.disk).
// Thread-safe; blocks. kInvalidArgument: options of Redis that cannot work.
Result<CacheCheck> CheckCache(EngineOptions& options);

}  // namespace punctual
