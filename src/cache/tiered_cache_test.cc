// The layers together: what rises, what is removed, and what a purge leaves.
#include "cache/tiered_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "cache/redis/command.h"
#include "cache/redis/fake_redis.h"
#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

using test::FakeRedis;

class TieredCacheTest : public ::testing::Test {
 protected:
  TieredCacheTest() {
    char folder[] = "/tmp/punctual-tiered-XXXXXX";
    directory_ = ::mkdtemp(folder);
    ModelFiles files;
    files.name = "m";
    files.version = "1";
    files.manifest_path = "m/model.toml";
    files.manifest = ParseManifest(test::ImbalanceManifest(2), files.manifest_path).value();
    files.onnx_path = "m/1/model.onnx";
    files.onnx = test::LinearModel(2, 3, 1);
    model_ = ServedModel::Load(files, {}).value();
    answer_.subject = SubjectOf(*model_, "A");
    std::vector<NamedTensor> outputs;
    for (const TensorSpec& spec : model_->outputs())
      outputs.push_back({spec.name, Tensor::Float32(spec.shape, std::vector<float>(3, 0.5f))});
    answer_.outputs = Outputs(std::move(outputs));
  }
  ~TieredCacheTest() override { std::filesystem::remove_all(directory_); }

  // Redis as a list of records by key, which SCAN walks through for as long as `scanning`.
  std::string Reply(const FakeRedis::Command& command) {
    std::lock_guard lock(mutex_);
    ++calls_[command[0]];
    if (command[0] == "GET") {
      const auto found = records_.find(command[1]);
      return found == records_.end() ? "$-1\r\n" : FakeRedis::Bulk(found->second);
    }
    if (command[0] == "SET") return "+OK\r\n";
    if (command[0] == "UNLINK") return ":" + std::to_string(records_.erase(command[1])) + "\r\n";
    if (command[0] == "SCAN") {
      if (scanning_) return "*2\r\n$1\r\n7\r\n*0\r\n";
      std::string keys = "*2\r\n$1\r\n0\r\n*" + std::to_string(records_.size()) + "\r\n";
      for (const auto& [key, record] : records_) keys += FakeRedis::Bulk(key);
      return keys;
    }
    return "-ERR unknown command\r\n";
  }
  int Calls(const std::string& command) {
    std::lock_guard lock(mutex_);
    return calls_[command];
  }
  std::unique_ptr<TieredCache> Open(const FakeRedis* redis) {
    TieredCacheOptions options;
    options.memory_bytes = 4u << 20;
    options.secret = "secret";
    options.disk.emplace();
    options.disk->directory = directory_;
    options.disk->bytes = 4u << 20;
    options.disk->slow_look_up = std::chrono::seconds(100);
    options.on_notice = [this](const std::string& text) {
      std::lock_guard lock(mutex_);
      told_ += text + "\n";
    };
    if (redis != nullptr) {
      options.redis.emplace();
      options.redis->nodes = {redis->address()};
      options.redis->timeout = std::chrono::seconds(10);
    }
    auto cache = TieredCache::Open(options).value();
    if (redis != nullptr) {
      EXPECT_TRUE(Eventually([&] { return cache->redis_expected() < RedisCache::kNever; }));
    }
    return cache;
  }
  static bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 20'000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  CacheKey KeyOf(const TieredCache& cache, std::uint64_t number = 1) {
    BookSnapshot book;
    book.level_count = 2;
    book.levels[0] = {101, static_cast<double>(number), 99, 3};
    book.levels[1] = {102, 4, 98, 5};
    return cache.keys().OfState(*model_, Window::Of(std::span(&book, 1), TimePoint()));
  }
  std::string RecordOf(const TieredCache& cache, const CacheKey& key, Duration expires_in) {
    return RecordCodec(cache.keys().secret()).Encode(key.digest(), answer_, UnixTimeNs() + expires_in.count());
  }
  RedisLookUp AskRedis(TieredCache& cache, const CacheKey& key) {
    std::promise<RedisLookUp> result;
    cache.GetRedis(key, model_, "A", TimePoint::max(), true,
                   [&](RedisLookUp found, const CachedAnswer*) { result.set_value(found); });
    return result.get_future().get();
  }
  PurgeStatus Purge(TieredCache& cache) {
    PurgeOrder order;
    order.filters = {SubjectFilter{}};
    order.what = "all answers";
    order.longest_ttl = std::chrono::hours(1);
    std::promise<Result<PurgeStatus>> emptied;
    cache.Purge(std::move(order), [&](const Result<PurgeStatus>& status) { emptied.set_value(status); });
    return emptied.get_future().get().value();
  }
  static bool Ended(const TieredCache& cache) {
    const auto purges = cache.Stats().purges;
    return std::none_of(purges.begin(), purges.end(), [](const PurgeStatus& purge) { return purge.running; });
  }

  std::string directory_;
  std::shared_ptr<const ServedModel> model_;
  CachedAnswer answer_;
  std::mutex mutex_;
  std::map<std::string, std::string> records_;
  std::map<std::string, int> calls_;
  bool scanning_ = false;
  std::string told_;
};

TEST_F(TieredCacheTest, WhatRisesWhileRedisIsBeingPurgedIsDroppedAtTheEnd) {
  FakeRedis redis([this](const auto& command) { return Reply(command); });
  const auto cache = Open(&redis);
  const CacheKey key = KeyOf(*cache);
  {
    std::lock_guard lock(mutex_);
    records_[std::string(redis::MakeKey("punctual", key.digest(), answer_.subject).view())] =
        RecordOf(*cache, key, std::chrono::seconds(100));
    scanning_ = true;
  }
  EXPECT_EQ(Purge(*cache).memory.dropped, 0u);
  ASSERT_TRUE(Eventually([&] { return Calls("SCAN") > 0; }));
  // Memory is emptied a second time once the disk is done: what rises before that would be gone too early to be seen.
  ASSERT_TRUE(Eventually([&] {
    const PurgeStatus purge = cache->Stats().purges.at(0);
    return purge.disk->state == PurgeState::kDone && purge.memory.state == PurgeState::kDone;
  }));
  EXPECT_EQ(AskRedis(*cache, key), RedisLookUp::kHit);
  CachedAnswer risen;
  EXPECT_TRUE(cache->GetMemory(key, Clock::Real().Now(), risen));
  EXPECT_TRUE(Eventually([&] { return cache->Stats().disk->entries == 1; }));
  EXPECT_FALSE(Ended(*cache));
  {
    std::lock_guard lock(mutex_);
    scanning_ = false;
  }
  ASSERT_TRUE(Eventually([&] { return Ended(*cache); }));
  EXPECT_FALSE(cache->GetMemory(key, Clock::Real().Now(), risen));
  EXPECT_FALSE(cache->GetDisk(key, *model_, risen));
  const PurgeStatus purge = cache->Stats().purges.at(0);
  EXPECT_EQ(purge.memory.dropped, 1u);
  EXPECT_EQ(purge.disk->dropped, 1u);
  EXPECT_EQ(purge.redis->dropped, 1u);
  EXPECT_EQ(purge.memory.state, PurgeState::kDone);
  EXPECT_EQ(purge.disk->state, PurgeState::kDone);
  EXPECT_EQ(purge.redis->state, PurgeState::kDone);
  std::lock_guard lock(mutex_);
  EXPECT_THAT(told_, testing::HasSubstr("purged all answers: 1 from memory, 1 from disk, 1 from Redis\n"));
}

TEST_F(TieredCacheTest, APurgeThatRedisRefusesHasFailed) {
  FakeRedis redis([](const auto& command) {
    return command[0] == "SCAN" ? "-NOPERM this user has no permissions to run the 'scan' command\r\n" : "$-1\r\n";
  });
  const auto cache = Open(&redis);
  Purge(*cache);
  ASSERT_TRUE(Eventually([&] { return Ended(*cache); }));
  const PurgeStatus purge = cache->Stats().purges.at(0);
  EXPECT_EQ(purge.disk->state, PurgeState::kDone);
  EXPECT_EQ(purge.redis->state, PurgeState::kFailed);
  EXPECT_THAT(purge.redis->error, testing::StartsWith(redis.address() + ": NOPERM"));
}

TEST_F(TieredCacheTest, PurgesBeyondTheBoundAreRefusedAndThoseThatEndedAreForgottenInTurn) {
  FakeRedis redis([this](const auto& command) { return Reply(command); });
  const auto cache = Open(&redis);
  {
    std::lock_guard lock(mutex_);
    scanning_ = true;
  }
  for (std::size_t i = 0; i < Purger::kMaxRunning; ++i) Purge(*cache);
  PurgeOrder order;
  order.filters = {SubjectFilter{}};
  Code code = Code::kInternal;
  cache->Purge(order, [&](const Result<PurgeStatus>& status) { code = status.error().code; });
  EXPECT_EQ(code, Code::kResourceExhausted) << "before Purge returns";
  {
    std::lock_guard lock(mutex_);
    scanning_ = false;
  }
  ASSERT_TRUE(Eventually([&] { return Ended(*cache); }));
  Purge(*cache);
  ASSERT_TRUE(Eventually([&] { return Ended(*cache); }));
  const auto purges = cache->Stats().purges;
  EXPECT_EQ(purges.size(), Purger::kMaxEnded);
  EXPECT_EQ(purges.front().id, 2u);
}

TEST_F(TieredCacheTest, ARecordInRedisThatIsMerelyExpiredIsLeftToRedis) {
  FakeRedis redis([this](const auto& command) { return Reply(command); });
  const auto cache = Open(&redis);
  const CacheKey expired = KeyOf(*cache, 1), damaged = KeyOf(*cache, 2);
  {
    std::lock_guard lock(mutex_);
    const auto text = [&](const CacheKey& key) {
      return std::string(redis::MakeKey("punctual", key.digest(), answer_.subject).view());
    };
    records_[text(expired)] = RecordOf(*cache, expired, -std::chrono::seconds(1));
    records_[text(damaged)] = RecordOf(*cache, expired, std::chrono::seconds(100));
  }
  EXPECT_EQ(AskRedis(*cache, expired), RedisLookUp::kMiss);
  EXPECT_EQ(AskRedis(*cache, damaged), RedisLookUp::kMiss);
  EXPECT_TRUE(Eventually([&] { return Calls("UNLINK") > 0; }));
  EXPECT_EQ(AskRedis(*cache, expired), RedisLookUp::kMiss);
  EXPECT_EQ(Calls("UNLINK"), 1) << "commands of one connection come in order";
}

TEST_F(TieredCacheTest, AnswersThatRedisWasNotGivenSinceItIsAwayAreCounted) {
  auto redis = std::make_unique<FakeRedis>([this](const auto& command) { return Reply(command); });
  const auto cache = Open(redis.get());
  redis.reset();
  ASSERT_TRUE(Eventually([&] { return cache->redis_expected() == RedisCache::kNever; }));
  cache->Put(KeyOf(*cache), *model_, answer_, {.redis = false});
  EXPECT_EQ(cache->Stats().redis->writes_dropped, 1u);
}

}  // namespace
}  // namespace punctual
