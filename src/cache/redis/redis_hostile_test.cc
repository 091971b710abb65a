// What a server says that is not the Redis we hoped for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "cache/redis/fake_redis.h"
#include "cache/redis/redis_under_test.h"
#include "support/redis_server.h"

namespace punctual::test {
namespace {

using testing::HasSubstr;

TEST(RedisHostileTest, ThePasswordThatAServerRepeatsIsNotShown) {
  RedisServer server({"--rename-command", "AUTH", ""});
  RedisOptions options = Options({server.address()});
  options.password = "sesame";
  auto cache = OpenCache(options);
  ASSERT_TRUE(WaitFor([&] { return !NodeStats(*cache, server.address()).last_error.empty(); }));
  EXPECT_EQ(NodeStats(*cache, server.address()).last_error, "AUTH was refused: ERR");
}

TEST(RedisHostileTest, WhatAServerSaysIsShownShortAndPlain) {
  FakeRedis server([](const auto&) { return "-WRONGTYPE \x1b[2J" + std::string(5000, 'x') + "\r\n"; });
  auto cache = OpenAndWait(Options({server.address()}));
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kError);
  EXPECT_EQ(NodeStats(*cache, server.address()).last_error, "WRONGTYPE ?[2J" + std::string(186, 'x'));
  EXPECT_FALSE(PutAndWait(*cache, 1, "record"));
  EXPECT_EQ(NodeStats(*cache, server.address()).last_error.size(), 200u);
}

TEST(RedisHostileTest, ARedirectionFromWhatIsNoClusterIsNotFollowed) {
  std::atomic<int> port = 2000;
  FakeRedis server([&](const auto&) { return "-MOVED 1 127.0.0.1:" + std::to_string(port.fetch_add(1)) + "\r\n"; });
  auto cache = OpenAndWait(Options({server.address()}));
  for (std::uint64_t key = 0; key < 50; ++key) EXPECT_EQ(Ask(*cache, key).result, RedisLookUp::kError);
  EXPECT_FALSE(PutAndWait(*cache, 1, "record"));
  EXPECT_EQ(cache->Stats().nodes.size(), 1u);
  EXPECT_EQ(cache->Stats().redirected, 0u);
  EXPECT_THAT(NodeStats(*cache, server.address()).last_error, HasSubstr("MOVED"));
}

TEST(RedisHostileTest, ARecordAbove1MiBIsNotWritten) {
  FakeRedis server([](const auto& command) { return command[0] == "SET" ? "+OK\r\n" : "$-1\r\n"; });
  auto cache = OpenAndWait(Options({server.address()}));
  EXPECT_TRUE(PutAndWait(*cache, 1, std::string(1u << 20, 'x')));
  EXPECT_FALSE(PutAndWait(*cache, 1, std::string((1u << 20) + 1, 'x')));
  EXPECT_EQ(cache->Stats().writes_dropped, 1u);
}

}  // namespace
}  // namespace punctual::test
