// Where the engine keeps which backend was quicker.
#pragma once

#include <string>

#include "punctual/engine.h"

namespace punctual {

// Empty: nowhere.
inline std::string BackendChoicesOf(const EngineOptions& options) {
  if (options.backend_choices) return *options.backend_choices;
  return options.disk_cache ? options.disk_cache->directory + "/backends.txt" : "";
}

}  // namespace punctual
