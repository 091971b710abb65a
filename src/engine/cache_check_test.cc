#include "engine/cache_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/redis_server.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
namespace fs = std::filesystem;

class CacheCheckTest : public ::testing::Test {
 protected:
  void UseDisk(const std::string& directory) { options_.disk_cache.emplace().directory = directory; }
  void UseRedis(const std::vector<std::string>& nodes) {
    options_.redis.emplace().nodes = nodes;
    options_.redis->connect_timeout = std::chrono::seconds(20);
  }
  CacheCheck Check() { return CheckCache(options_).value(); }

  test::TemporaryRepository folder_;
  EngineOptions options_;
};

TEST_F(CacheCheckTest, WithoutLayersThereIsNothingToSay) {
  const CacheCheck check = Check();
  EXPECT_THAT(check.faults, IsEmpty());
  EXPECT_THAT(check.notes, IsEmpty());
}

TEST_F(CacheCheckTest, AFolderThatIsNotThereIsNotMade) {
  const std::string directory = folder_.path() + "/a/b";
  UseDisk(directory);
  const CacheCheck check = Check();
  EXPECT_THAT(check.faults, IsEmpty());
  EXPECT_THAT(check.notes, ElementsAre(HasSubstr(directory + ": is not there, and will be made by the start")));
  EXPECT_FALSE(options_.disk_cache.has_value()) << "an engine would make it";
  EXPECT_FALSE(fs::exists(folder_.path() + "/a"));
}

TEST_F(CacheCheckTest, AFolderThatCannotBeMadeIsAFault) {
  std::ofstream(folder_.path() + "/file") << "x";
  UseDisk(folder_.path() + "/file/below");
  EXPECT_THAT(Check().faults, ElementsAre(HasSubstr("cannot be made")));
}

TEST_F(CacheCheckTest, AFolderThatIsThereIsLeftToTheEngine) {
  UseDisk(folder_.path());
  EXPECT_THAT(Check().faults, IsEmpty());
  EXPECT_TRUE(options_.disk_cache.has_value());
}

TEST_F(CacheCheckTest, EachNodeOfRedisIsTriedAndThoseThatFailAreNamed) {
  test::RedisServer server;
  UseRedis({server.address(), "127.0.0.1:1"});
  EXPECT_THAT(Check().faults, ElementsAre(StartsWith("cache.redis.nodes: 127.0.0.1:1: ")));
  EXPECT_FALSE(options_.redis.has_value());
  UseRedis({server.address()});
  options_.redis->password = "of somebody else";
  EXPECT_THAT(Check().faults, ElementsAre(HasSubstr(server.address())));
  UseRedis({server.address()});
  EXPECT_THAT(Check().faults, IsEmpty());
}

TEST_F(CacheCheckTest, ANodeThatSaysNothingIsWaitedForNoLongerThanItsTime) {
  test::RedisServer server;
  server.Stop();
  UseRedis({server.address()});
  options_.redis->connect_timeout = std::chrono::milliseconds(50);
  EXPECT_THAT(Check().faults, ElementsAre(HasSubstr(server.address())));
  server.Continue();
}

}  // namespace
}  // namespace punctual
