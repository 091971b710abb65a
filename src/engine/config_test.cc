#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/backend_choices.h"
#include "punctual/engine.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class EngineConfigTest : public ::testing::Test {
 protected:
  Result<EngineOptions> Read(const std::string& text) {
    folder_.Write("punctual.toml", text);
    return EngineOptionsFromFile(folder_.path() + "/punctual.toml");
  }
  test::TemporaryRepository folder_;
};

TEST_F(EngineConfigTest, ReadsEveryTable) {
  folder_.Write("users.csv", "user,tier,style,model\nu2,gold,swing,tcn\n");
  const auto options = Read(R"(
[server]
anything = 1
[models]
repository = "models"
reload_poll_ms = 250
[tiers.gold]
budget_ms = 7.5
weight = 4.5
rate = 1000
burst = 50
user_rate = 2
user_burst = 3
[tiers.gold.models]
swing = "mlp"
[styles]
swing = "deeplob"
[users]
file = "users.csv"
[[users.user]]
name = "u1"
tier = "gold"
style = "swing"
model = "own"
[engine]
workers = 3
queue_limit = 9
largest_batch = 4
inline_threads = 2
reply_reserve_ms = 0.3
[market]
symbols = 5
history = 200
[cache]
secret = "s"
[cache.memory]
bytes = 2000000
)");
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->model_repository, folder_.path() + "/models");
  EXPECT_EQ(options->reload_poll, milliseconds(250));
  ASSERT_EQ(options->tiers.size(), 1u);
  EXPECT_EQ(options->tiers.at("gold").budget, std::chrono::microseconds(7500));
  EXPECT_EQ(options->tiers.at("gold").weight, 4.5);
  EXPECT_EQ(options->tiers.at("gold").rate, 1000);
  EXPECT_EQ(options->tiers.at("gold").burst, 50);
  EXPECT_EQ(options->tiers.at("gold").user_rate, 2);
  EXPECT_EQ(options->tiers.at("gold").user_burst, 3);
  ASSERT_EQ(options->users.size(), 2u);
  EXPECT_EQ(options->users[1].name, "u2");
  EXPECT_EQ(options->users[0].model, "own");
  EXPECT_EQ(options->users[1].model, "tcn");
  EXPECT_EQ(options->tiers.at("gold").models.at("swing"), "mlp");
  EXPECT_EQ(options->styles.at("swing"), "deeplob");
  EXPECT_EQ(options->workers, 3);
  EXPECT_EQ(options->queue_limit, 9u);
  EXPECT_EQ(options->largest_batch, 4u);
  EXPECT_EQ(options->inline_threads, 2u);
  EXPECT_EQ(options->reply_reserve, std::chrono::microseconds(300));
  EXPECT_EQ(options->market_symbols, 5u);
  EXPECT_EQ(options->market_history, 200u);
  EXPECT_EQ(options->cache_secret, "s");
  EXPECT_EQ(options->memory_cache_bytes, 2'000'000u);
}

TEST_F(EngineConfigTest, ErrorsNameFileLineAndKey) {
  EXPECT_THAT(Read("[models]\nrepository = 3\n").error().message, HasSubstr("punctual.toml:2: models.repository"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[engin]\nworkers = 2\n").error().message,
              HasSubstr("3: engin: no such option"));
  EXPECT_THAT(Read("").error().message, HasSubstr("models.repository: is missing"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[tiers.x]\n").error().message, HasSubstr("tiers.x.budget_ms"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[tiers.'']\nbudget_ms = 15\n").error().message,
              HasSubstr("punctual.toml:3: tiers.\"\": has no name"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[users]\nfile = 'none.csv'\n").error().message, HasSubstr("none.csv"));
}

TEST_F(EngineConfigTest, TheBuiltInTiersHaveWeightsAndADeclaredOneHasOne) {
  const std::string models = "[models]\nrepository = 'm'\n";
  const auto built_in = Read(models).value().tiers;
  EXPECT_EQ(built_in.at("premium").weight, 6);
  EXPECT_EQ(built_in.at("standard").weight, 3);
  EXPECT_EQ(built_in.at("basic").weight, 1);
  EXPECT_EQ(built_in.at("premium").rate, 0);
  EXPECT_EQ(Read(models + "[tiers.premium]\nbudget_ms = 15\n").value().tiers.at("premium").weight, 1);
}

TEST_F(EngineConfigTest, ABadWeightOrLimitIsNamed) {
  const std::string tier = "[models]\nrepository = 'm'\n[tiers.x]\nbudget_ms = 15\n";
  EXPECT_THAT(Read(tier + "weight = 0").error().message, HasSubstr("5: tiers.x.weight"));
  EXPECT_THAT(Read(tier + "rate = 0").error().message, HasSubstr("5: tiers.x.rate"));
  EXPECT_THAT(Read(tier + "rate = 5\nburst = 0").error().message, HasSubstr("6: tiers.x.burst"));
  EXPECT_THAT(Read(tier + "burst = 5").error().message, HasSubstr("tiers.x.burst: needs rate"));
  EXPECT_THAT(Read(tier + "rate = 5\nuser_burst = 5").error().message,
              HasSubstr("tiers.x.user_burst: needs user_rate"));
}

TEST_F(EngineConfigTest, ATiersModelNeedsADeclaredStyleAndAName) {
  const std::string tier = "[models]\nrepository = 'm'\n[styles]\nday = 'a'\n[tiers.x]\nbudget_ms = 15\n";
  EXPECT_EQ(Read(tier + "models.day = 'b'").value().tiers.at("x").models.at("day"), "b");
  EXPECT_THAT(Read(tier + "[tiers.x.models]\nzen = 'b'").error().message,
              HasSubstr("8: tiers.x.models.zen: style \"zen\" is not declared under [styles]"));
  EXPECT_THAT(Read(tier + "[tiers.x.models]\nday = ''").error().message,
              HasSubstr("8: tiers.x.models.day: names no model"));
  EXPECT_THAT(Read(tier + "[tiers.x.models]\nday = 3").error().message,
              HasSubstr("8: tiers.x.models.day: must be text"));
  EXPECT_THAT(Read(tier + "models = 'b'").error().message, HasSubstr("7: tiers.x.models: must be a table"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[styles]\nday = ''").error().message,
              HasSubstr("4: styles.day: names no model"));
}

TEST_F(EngineConfigTest, BackendChoicesAreKeptWithTheDiskCacheUnlessTheFileSaysWhere) {
  const std::string models = "[models]\nrepository = 'm'\n", no_disk = "[cache.disk]\ndirectory = ''";
  EXPECT_EQ(BackendChoicesOf(Read(models).value()), folder_.path() + "/cache/backends.txt");
  EXPECT_EQ(BackendChoicesOf(Read(models + no_disk).value()), "");
  EXPECT_EQ(BackendChoicesOf(Read(models + "backend_choices = ''").value()), "");
  EXPECT_EQ(BackendChoicesOf(Read(models + "backend_choices = 'x/y.txt'\n" + no_disk).value()),
            folder_.path() + "/x/y.txt");
}

TEST_F(EngineConfigTest, TheDiskCacheStandsBesideTheFileUnlessItIsTurnedOff) {
  const std::string models = "[models]\nrepository = 'm'\n";
  EXPECT_EQ(Read(models).value().disk_cache->directory, folder_.path() + "/cache");
  EXPECT_EQ(Read(models + "[cache.memory]\nbytes = 0").value().disk_cache->directory, folder_.path() + "/cache");
  const auto disk =
      Read(models + "[cache.disk]\ndirectory = '/x'\nbytes = 5242880\nqueue = 7\nwarm_up_ms = 0\nslow_look_up_ms = 2");
  EXPECT_EQ(disk.value().disk_cache->directory, "/x");
  EXPECT_EQ(disk.value().disk_cache->bytes, 5242880u);
  EXPECT_EQ(disk.value().disk_cache->queue, 7u);
  EXPECT_EQ(disk.value().disk_cache->warm_up, Duration(0));
  EXPECT_EQ(disk.value().disk_cache->slow_look_up, milliseconds(2));
  EXPECT_FALSE(Read(models + "[cache.disk]\ndirectory = ''").value().disk_cache.has_value());
  EXPECT_THAT(Read(models + "[cache.disk]\nbytes = 1000").error().message, HasSubstr("cache.disk.bytes: "));
}

TEST_F(EngineConfigTest, ARequestLogIsThereOnlyIfItIsConfigured) {
  const std::string models = "[models]\nrepository = 'm'\n";
  EXPECT_FALSE(Read(models).value().request_log.has_value());
  const auto log = Read(models + "[request_log]\ndirectory = 'r'\nshare = 0.5\nbytes = 2000000").value().request_log;
  EXPECT_EQ(log->directory, folder_.path() + "/r");
  EXPECT_EQ(log->share, 0.5);
  EXPECT_EQ(log->bytes, 2'000'000u);
  EXPECT_THAT(Read(models + "[request_log]").error().message, HasSubstr("3: request_log.directory: is missing"));
}

TEST_F(EngineConfigTest, RedisIsThereOnlyIfItIsConfiguredAndNeedsNodesAndASecret) {
  const std::string models = "[models]\nrepository = 'm'\n", secret = "[cache]\nsecret = 's'\n";
  EXPECT_FALSE(Read(models + secret).value().redis.has_value());
  folder_.Write("ca.pem", "");
  const auto options = Read(models + secret + R"([cache.redis]
nodes = ["a:1", "[::1]:2"]
username = "u"
password = "p"
tls = true
ca_file = "ca.pem"
read_from_replicas = true
timeout_ms = 1.5
connect_timeout_ms = 100
max_outstanding = 9
prefix = "x"
)");
  ASSERT_TRUE(options.has_value()) << options.error().message;
  const RedisLayerOptions& redis = *options->redis;
  EXPECT_EQ(redis.nodes, (std::vector<std::string>{"a:1", "[::1]:2"}));
  EXPECT_EQ(redis.username + redis.password + redis.prefix, "upx");
  EXPECT_TRUE(redis.tls && redis.read_from_replicas);
  EXPECT_EQ(redis.ca_file, folder_.path() + "/ca.pem");
  EXPECT_EQ(redis.timeout, std::chrono::microseconds(1500));
  EXPECT_EQ(redis.connect_timeout, milliseconds(100));
  EXPECT_EQ(redis.max_outstanding, 9u);
  EXPECT_THAT(Read(models + secret + "[cache.redis]\ntls = true").error().message,
              HasSubstr("punctual.toml:5: cache.redis.nodes: is missing"));
  EXPECT_THAT(Read(models + secret + "[cache.redis]\nnode = ['a:1']").error().message,
              HasSubstr("punctual.toml:6: cache.redis.node: no such option"));
  EXPECT_THAT(Read(models + "[cache.redis]\nnodes = ['a:1']").error().message, HasSubstr("cache.secret: is missing"));
}

TEST_F(EngineConfigTest, MistakesAboutRedisNameLineAndRemedy) {
  const auto error = [this](const std::string& lines) {
    return Read("[models]\nrepository = 'm'\n[cache]\nsecret = 's'\n[cache.redis]\n" + lines).error().message;
  };
  const std::string there = "nodes = ['a:1']\n";
  EXPECT_THAT(error("nodes = ['nowhere']"), HasSubstr("punctual.toml:6: cache.redis.nodes: \"nowhere\" is not"));
  EXPECT_THAT(error("nodes = ['redis://a:1']"),
              HasSubstr("punctual.toml:6: cache.redis.nodes: \"redis://a:1\": write HOST:PORT, without redis://"));
  EXPECT_THAT(error("nodes = ['rediss://a:1']"), HasSubstr("without rediss://, and tls = true"));
  EXPECT_THAT(error(there + "username = 'u'"), HasSubstr("punctual.toml:5: cache.redis.password: is missing"));
  EXPECT_THAT(error(there + "prefix = 'a b'"), HasSubstr("punctual.toml:7: cache.redis.prefix: "));
  EXPECT_THAT(error(there + "tls = true\nca_file = 'x.pem'"),
              HasSubstr("punctual.toml:8: cache.redis.ca_file: " + folder_.path() + "/x.pem: No such file"));
  EXPECT_THAT(error(there + "tls = true\ncert_file = 'x.pem'"),
              HasSubstr("punctual.toml:8: cache.redis.cert_file: needs key_file as well: give both, or none"));
  EXPECT_THAT(error(there + "tls = true\nkey_file = 'x.pem'"), HasSubstr("cache.redis.key_file: needs cert_file"));
}

TEST_F(EngineConfigTest, WhatCouldOnlyDisappointIsRefused) {
  const auto error = [this](const std::string& lines) {
    return Read("[models]\nrepository = 'm'\n" + lines).error().message;
  };
  EXPECT_THAT(
      error("[cache.disk]\ndirectory = '~/cache'"),
      HasSubstr("punctual.toml:4: cache.disk.directory: \"~/cache\": ~ means nothing here; write the whole path"));
  EXPECT_THAT(error("[cache.memory]\nbytes = 1000"),
              HasSubstr("punctual.toml:4: cache.memory.bytes: would keep hardly"));
  EXPECT_THAT(error("[cache.memory]\nbytes = 1048575"), HasSubstr("cache.memory.bytes: "));
}

}  // namespace
}  // namespace punctual
