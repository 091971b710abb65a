#include "engine/cache_check.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "cache/redis/redis_cache.h"

namespace punctual {

namespace {

namespace fs = std::filesystem;

constexpr Duration kPoll = std::chrono::milliseconds(2);

void CheckFolder(const std::string& directory, CacheCheck& check) {
  std::error_code error;
  fs::path above = fs::absolute(directory, error).lexically_normal();
  while (!error && !fs::exists(above, error) && above.has_relative_path()) above = above.parent_path();
  const std::string what = "cache.disk.directory: " + directory + ": is not there, and ";
  if (error)
    check.faults.push_back(what + "cannot be made: " + error.message() + "; choose another folder");
  else if (!fs::is_directory(above, error))
    check.faults.push_back(what + "cannot be made: " + above.string() + " is no folder; choose another one");
  else if (::access(above.c_str(), W_OK | X_OK) != 0)
    check.faults.push_back(what + "cannot be made: " + above.string() + ": " + std::strerror(errno) +
                           "; choose a folder that this user may make");
  else
    check.notes.push_back(what + "will be made by the start");
}

// A Redis of one node, as it is just now.
RedisNodeStats StateOf(const RedisCache& cache, const std::string& node) {
  const RedisStats stats = cache.Stats();
  const auto found = std::find_if(stats.nodes.begin(), stats.nodes.end(),
                                  [&](const RedisNodeStats& candidate) { return candidate.address == node; });
  return found == stats.nodes.end() ? RedisNodeStats() : *found;
}

Result<void> CheckNodes(const RedisLayerOptions& options, CacheCheck& check) {
  struct Trial {
    std::string node;
    std::unique_ptr<RedisCache> cache;
  };
  std::vector<Trial> trials;
  for (const std::string& node : options.nodes) {
    RedisOptions alone{options};
    alone.nodes = {node};
    PUNCTUAL_ASSIGN(auto cache, RedisCache::Open(alone));
    trials.push_back({node, std::move(cache)});
  }
  const TimePoint until = Clock::Real().Now() + options.connect_timeout;
  for (const Trial& trial : trials) {
    RedisNodeStats state = StateOf(*trial.cache, trial.node);
    while (state.state != "up" && state.last_error.empty() && Clock::Real().Now() < until) {
      std::this_thread::sleep_for(kPoll);
      state = StateOf(*trial.cache, trial.node);
    }
    if (state.state == "up") continue;
    check.faults.push_back("cache.redis.nodes: " + trial.node + ": " +
                           (state.last_error.empty() ? "did not answer within connect_timeout_ms" : state.last_error));
  }
  return {};
}

}  // namespace

Result<CacheCheck> CheckCache(EngineOptions& options) {
  CacheCheck check;
  std::error_code ignored;
  if (options.disk_cache && !fs::exists(options.disk_cache->directory, ignored)) {
    CheckFolder(options.disk_cache->directory, check);
    options.disk_cache.reset();
  }
  if (options.redis) {
    PUNCTUAL_TRY(CheckNodes(*options.redis, check));
    options.redis.reset();
  }
  return check;
}

}  // namespace punctual
