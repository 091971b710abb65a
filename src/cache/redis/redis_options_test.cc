#include "cache/redis/redis_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "cache/redis/redis_cache.h"

namespace punctual {
namespace {

std::string Refusal(const std::function<void(RedisOptions&)>& change) {
  RedisOptions options;
  options.nodes = {"127.0.0.1:6379", "[::1]:6379", "redis.example:6379"};
  change(options);
  const auto result = Validate(options);
  return result.has_error() ? result.error().message : "";
}

TEST(RedisOptionsTest, DefaultsWithNodesAreGood) {
  EXPECT_EQ(Refusal([](RedisOptions&) {}), "");
}

TEST(RedisOptionsTest, WhatCannotWorkIsRefusedByItsName) {
  using testing::StartsWith;
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.nodes.clear(); }), StartsWith("cache.redis.nodes: "));
  for (const char* node : {"", "host", "host:", ":6379", "host:0", "host:65536", "host:6379x", "::1:6379", "a b:1"})
    EXPECT_THAT(Refusal([&](RedisOptions& o) { o.nodes = {node}; }), StartsWith("cache.redis.nodes: ")) << node;
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.nodes.push_back(o.nodes[0]); }),
              StartsWith("cache.redis.nodes: \"127.0.0.1:6379\" is there twice"));
  const auto many = [](int count) {
    return Refusal([count](RedisOptions& o) {
      o.nodes.clear();
      for (int i = 0; i < count; ++i) o.nodes.push_back("10.0.0.1:" + std::to_string(i + 1));
    });
  };
  EXPECT_EQ(many(256), "");
  EXPECT_THAT(many(257), StartsWith("cache.redis.nodes: names 257, and 256 is the most"));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.username = "u"; }), StartsWith("cache.redis.password: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.ca_file = "ca"; }), StartsWith("cache.redis.tls: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.tls = true, o.key_file = "k"; }), StartsWith("cache.redis.cert_file: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.timeout = {}; }), StartsWith("cache.redis.timeout_ms: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.max_outstanding = 0; }), StartsWith("cache.redis.max_outstanding: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.prefix = ""; }), StartsWith("cache.redis.prefix: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.prefix = std::string(33, 'p'); }), StartsWith("cache.redis.prefix: "));
  EXPECT_THAT(Refusal([](RedisOptions& o) { o.prefix = "a b"; }), StartsWith("cache.redis.prefix: "));
}

TEST(RedisOptionsTest, ATlsFileThatIsNotThereIsRefusedByItsName) {
  RedisOptions options;
  options.nodes = {"127.0.0.1:6379"};
  options.tls = true;
  options.ca_file = "/nowhere/ca.crt";
  const auto cache = RedisCache::Open(options);
  ASSERT_TRUE(cache.has_error());
  EXPECT_THAT(cache.error().message, testing::StartsWith("cache.redis.ca_file: \"/nowhere/ca.crt\": "));
}

}  // namespace
}  // namespace punctual
