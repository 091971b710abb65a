// What the tests of RedisCache share: asking and waiting.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

#include "cache/redis/redis_cache.h"

namespace punctual {

inline void PrintTo(RedisLookUp result, std::ostream* out) {
  *out << std::array{"hit", "miss", "timeout", "error", "skipped"}[static_cast<std::size_t>(result)];
}

namespace test {

using namespace std::chrono_literals;

struct Answer {
  RedisLookUp result = RedisLookUp::kMiss;
  std::string bytes;
  Duration took{};
};

inline constexpr Subject kSubject{.model = 1, .version = 2, .symbol = 3};

// Options for what is not about time: bounds that a busy machine keeps.
inline RedisOptions Options(std::vector<std::string> nodes) {
  RedisOptions options;
  options.nodes = std::move(nodes);
  options.timeout = 2s;
  options.connect_timeout = 5s;
  return options;
}

inline std::unique_ptr<RedisCache> OpenCache(const RedisOptions& options) {
  auto cache = RedisCache::Open(options);
  if (cache.has_error()) {
    ADD_FAILURE() << cache.error().message;
    std::abort();
  }
  return std::move(cache).value();
}

inline bool WaitFor(const std::function<bool()>& condition, Duration patience = 20s) {
  const TimePoint end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

inline std::unique_ptr<RedisCache> OpenAndWait(const RedisOptions& options) {
  auto cache = OpenCache(options);
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
  return cache;
}

// Every node is connected, and holds a part of the cluster.
inline bool AllUp(const RedisCache& cache, std::size_t nodes) {
  const RedisStats stats = cache.Stats();
  std::size_t up = 0;
  for (const RedisNodeStats& node : stats.nodes) up += node.state == "up" && node.role != "seed";
  return up == nodes;
}

inline std::future<Answer> AskLater(RedisCache& cache, std::uint64_t key, const Subject& subject = kSubject,
                                    TimePoint give_up_at = TimePoint::max()) {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto future = promise->get_future();
  const TimePoint asked = std::chrono::steady_clock::now();
  cache.Get({key, ~key}, subject, give_up_at, [promise, asked](RedisLookUp result, std::string_view bytes) {
    promise->set_value({result, std::string(bytes), std::chrono::steady_clock::now() - asked});
  });
  return future;
}

inline Answer Ask(RedisCache& cache, std::uint64_t key, const Subject& subject = kSubject,
                  TimePoint give_up_at = TimePoint::max()) {
  return AskLater(cache, key, subject, give_up_at).get();
}

inline void Put(RedisCache& cache, std::uint64_t key, std::string record, const Subject& subject = kSubject,
                Duration ttl = 60s) {
  cache.Put({key, ~key}, subject, ttl, std::move(record));
}

// Puts, and waits until it is acknowledged (or failed).
inline bool PutAndWait(RedisCache& cache, std::uint64_t key, const std::string& record,
                       const Subject& subject = kSubject, Duration ttl = 60s) {
  const RedisStats before = cache.Stats();
  Put(cache, key, record, subject, ttl);
  WaitFor([&] { return cache.Stats().writes_outstanding == 0; });
  return cache.Stats().written > before.written;
}

inline RedisNodeStats NodeStats(const RedisCache& cache, const std::string& address) {
  for (RedisNodeStats& node : cache.Stats().nodes)
    if (node.address == address) return node;
  return {};
}

}  // namespace test
}  // namespace punctual
