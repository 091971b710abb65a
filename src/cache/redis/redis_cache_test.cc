#include "cache/redis/redis_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "cache/redis/command.h"
#include "cache/redis/redis_under_test.h"
#include "support/redis_server.h"

namespace punctual::test {
namespace {

using testing::HasSubstr;

std::string KeyOf(std::uint64_t key, const Subject& subject = kSubject) {
  return std::string(redis::MakeKey("punctual", {key, ~key}, subject).view());
}

TEST(RedisCacheTest, WhatIsPutIsFoundUntilItExpires) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kMiss);
  const std::string record("a\0\r\n\xff", 5);
  ASSERT_TRUE(PutAndWait(*cache, 1, record));
  const Answer answer = Ask(*cache, 1);
  EXPECT_EQ(answer.result, RedisLookUp::kHit);
  EXPECT_EQ(answer.bytes, record);
  EXPECT_EQ(Ask(*cache, 2).result, RedisLookUp::kMiss);
  EXPECT_THAT(server.Command("PTTL " + KeyOf(1)), testing::MatchesRegex("[1-5][0-9]{4}")) << "60 s at most";
  ASSERT_TRUE(PutAndWait(*cache, 3, "short", kSubject, 1ms));
  EXPECT_TRUE(WaitFor([&] { return Ask(*cache, 3).result == RedisLookUp::kMiss; }));
  const RedisStats stats = cache->Stats();
  EXPECT_FALSE(stats.cluster);
  EXPECT_EQ(stats.look_ups, stats.hits + stats.misses);
  EXPECT_EQ(stats.written, 2u);
  ASSERT_EQ(stats.nodes.size(), 1u);
  EXPECT_EQ(stats.nodes[0].role, "single");
  EXPECT_EQ(stats.nodes[0].state, "up");
  EXPECT_EQ(stats.nodes[0].outstanding, 0u);
  EXPECT_GT(stats.nodes[0].look_up_time, Duration::zero());
  EXPECT_LT(cache->expected(), RedisCache::kNever);
}

TEST(RedisCacheTest, WhatIsRemovedIsGone) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  ASSERT_TRUE(PutAndWait(*cache, 1, "record"));
  cache->Remove({1, ~std::uint64_t{1}}, kSubject);
  EXPECT_TRUE(WaitFor([&] { return Ask(*cache, 1).result == RedisLookUp::kMiss; }));
}

TEST(RedisCacheTest, ANameIsResolved) {
  RedisServer server;
  auto cache = OpenAndWait(Options({"localhost:" + std::to_string(server.port())}));
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kMiss);
}

TEST(RedisCacheTest, ASpareIsUsedWhereTheFirstIsAway) {
  RedisServer server;
  auto cache = OpenAndWait(Options({"127.0.0.1:1", server.address()}));
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kMiss);
}

TEST(RedisCacheTest, ManyThreadsAtOnceAreEachAnsweredWithTheirOwn) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  for (std::uint64_t key = 0; key < 100; ++key) Put(*cache, key, "record " + std::to_string(key));
  ASSERT_TRUE(WaitFor([&] { return cache->Stats().written == 100; }));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (std::uint64_t round = 0; round < 20; ++round) {
        std::vector<std::future<Answer>> answers;
        for (std::uint64_t key = 0; key < 25; ++key) answers.push_back(AskLater(*cache, (key * 7 + round) % 100));
        for (std::uint64_t key = 0; key < 25; ++key) {
          const Answer answer = answers[key].get();
          wrong +=
              answer.result != RedisLookUp::kHit || answer.bytes != "record " + std::to_string((key * 7 + round) % 100);
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(cache->Stats().hits, 2000u);
}

TEST(RedisCacheTest, ACallbackMayAskAgain) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  ASSERT_TRUE(PutAndWait(*cache, 2, "second"));
  std::promise<std::string> found;
  cache->Get({1, 1}, kSubject, TimePoint::max(), [&](RedisLookUp, std::string_view) {
    cache->Put({9, 9}, kSubject, 1s, "third");
    cache->Get({2, ~std::uint64_t{2}}, kSubject, TimePoint::max(),
               [&](RedisLookUp, std::string_view bytes) { found.set_value(std::string(bytes)); });
  });
  EXPECT_EQ(found.get_future().get(), "second");
}

TEST(RedisCacheTest, NothingListeningIsSkippedAtOnce) {
  auto cache = OpenCache(Options({"127.0.0.1:1"}));
  EXPECT_TRUE(WaitFor([&] { return NodeStats(*cache, "127.0.0.1:1").state == "open"; }));
  bool called = false;
  cache->Get({1, 1}, kSubject, TimePoint::max(), [&](RedisLookUp result, std::string_view) {
    called = true;
    EXPECT_EQ(result, RedisLookUp::kSkipped);
  });
  EXPECT_TRUE(called) << "before Get returns";
  EXPECT_FALSE(cache->available());
  EXPECT_EQ(cache->expected(), RedisCache::kNever);
  Put(*cache, 1, "record");
  const RedisStats stats = cache->Stats();
  EXPECT_EQ(stats.skipped, 1u);
  EXPECT_EQ(stats.writes_dropped, 1u);
  EXPECT_EQ(stats.connects, 0u);
  EXPECT_THAT(stats.nodes[0].last_error, HasSubstr("refused"));
}

TEST(RedisCacheTest, ALookUpWithoutTimeIsNotSent) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  EXPECT_EQ(Ask(*cache, 1, kSubject, std::chrono::steady_clock::now()).result, RedisLookUp::kSkipped);
}

TEST(RedisCacheTest, TheCallersTimeCountsBeforeTheLayersOwn) {
  RedisServer server;
  RedisOptions options = Options({server.address()});
  options.timeout = 60s;
  auto cache = OpenAndWait(options);
  server.Stop();
  const auto until = std::chrono::steady_clock::now() + 20ms;
  const Answer answer = Ask(*cache, 1, kSubject, until);
  EXPECT_EQ(answer.result, RedisLookUp::kTimeout);
  EXPECT_GE(std::chrono::steady_clock::now(), until);
  EXPECT_LT(answer.took, 10s);
  server.Continue();
  EXPECT_TRUE(WaitFor([&] { return cache->Stats().late == 1; })) << "the reply comes, and is ignored";
}

TEST(RedisCacheTest, LookUpsAndWritesBeyondTheBoundAreLeftOut) {
  RedisServer server;
  RedisOptions options = Options({server.address()});
  options.timeout = 300ms;
  options.max_outstanding = 4;
  auto cache = OpenAndWait(options);
  server.Stop();
  std::vector<std::future<Answer>> answers;
  for (std::uint64_t key = 0; key < 6; ++key) answers.push_back(AskLater(*cache, key));
  for (std::uint64_t key = 0; key < 6; ++key) Put(*cache, key, "record");
  RedisStats stats = cache->Stats();
  EXPECT_EQ(stats.over_bound, 2u);
  EXPECT_EQ(stats.writes_dropped, 2u);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(answers[i].get().result, i < 4 ? RedisLookUp::kTimeout : RedisLookUp::kSkipped);
  EXPECT_EQ(cache->Stats().look_ups_outstanding, 0u);
  server.Continue();
  EXPECT_TRUE(WaitFor([&] { return cache->Stats().writes_outstanding == 0; }));
}

TEST(RedisCacheTest, TheDestructorAnswersWhatIsOutstanding) {
  RedisServer server;
  RedisOptions options = Options({server.address()});
  options.timeout = 60s;
  auto cache = OpenAndWait(options);
  server.Stop();
  std::vector<std::future<Answer>> answers;
  for (std::uint64_t key = 0; key < 10; ++key) answers.push_back(AskLater(*cache, key));
  std::string purge_error;
  cache->Purge({}, 1h, [&](std::uint64_t, const std::string& error) { purge_error = error; });
  const TimePoint began = std::chrono::steady_clock::now();
  cache.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
  for (auto& answer : answers) {
    ASSERT_EQ(answer.wait_for(0s), std::future_status::ready);
    EXPECT_EQ(answer.get().result, RedisLookUp::kMiss);
  }
  EXPECT_EQ(purge_error, "shutting down");
}

TEST(RedisCacheTest, AServerThatIsStartedAgainIsFoundAgain) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  ASSERT_TRUE(PutAndWait(*cache, 1, "record"));
  server.Kill();
  EXPECT_TRUE(WaitFor([&] { return !cache->available(); }));
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kSkipped);
  server.Restart();
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kMiss);
  EXPECT_EQ(cache->Stats().connects, 2u);
}

TEST(RedisCacheTest, SomebodyElsesValueOfAnotherTypeIsAnErrorOfThatKeyAlone) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  server.Command("LPUSH " + KeyOf(1) + " x");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kError);
  EXPECT_EQ(Ask(*cache, 2).result, RedisLookUp::kMiss);
  EXPECT_THAT(NodeStats(*cache, server.address()).last_error, HasSubstr("WRONGTYPE"));
}

TEST(RedisCacheTest, AValueBeyond16MiBIsAnError) {
  RedisServer server;
  RedisOptions options = Options({server.address()});
  options.timeout = 20s;
  auto cache = OpenAndWait(options);
  server.Command("SETRANGE " + KeyOf(1) + " 17825792 x");
  EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kError);
  EXPECT_THAT(NodeStats(*cache, server.address()).last_error, HasSubstr("16 MiB"));
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
  server.Command("SETRANGE " + KeyOf(2) + " 8388607 x");
  EXPECT_EQ(Ask(*cache, 2).bytes.size(), 8u << 20);
}

TEST(RedisCacheTest, LargeRecordsComeBackWhole) {
  RedisServer server;
  RedisOptions options = Options({server.address()});
  options.timeout = 20s;
  auto cache = OpenAndWait(options);
  for (std::uint64_t key = 1; key <= 5; ++key) Put(*cache, key, std::string(1u << 20, static_cast<char>('a' + key)));
  ASSERT_TRUE(WaitFor([&] { return cache->Stats().written == 5; }));
  for (std::uint64_t key = 1; key <= 5; ++key)
    EXPECT_EQ(Ask(*cache, key).bytes, std::string(1u << 20, static_cast<char>('a' + key)));
}

TEST(RedisCacheTest, TheRightPasswordOpensAndTheWrongOneSaysSo) {
  RedisServer server({"--requirepass", "right"});
  RedisOptions options = Options({server.address()});
  options.password = "right";
  EXPECT_EQ(Ask(*OpenAndWait(options), 1).result, RedisLookUp::kMiss);
  server.Command("ACL SETUSER punctual on '>secret' '~*' +@all");
  options.username = "punctual";
  options.password = "secret";
  EXPECT_EQ(Ask(*OpenAndWait(options), 1).result, RedisLookUp::kMiss);

  for (const char* password : {"wrong", ""}) {
    options.username = "";
    options.password = password;
    auto cache = OpenCache(options);
    EXPECT_TRUE(WaitFor([&] { return NodeStats(*cache, server.address()).last_error != ""; }));
    EXPECT_THAT(NodeStats(*cache, server.address()).last_error, HasSubstr(*password == 0 ? "NOAUTH" : "WRONGPASS"));
    EXPECT_EQ(Ask(*cache, 1).result, RedisLookUp::kSkipped);
    EXPECT_EQ(cache->Stats().connects, 0u);
  }
}

TEST(RedisCacheTest, AFullMemoryDropsWritesAndGoesOnAnswering) {
  RedisServer server({"--maxmemory-policy", "noeviction"});
  auto cache = OpenAndWait(Options({server.address()}));
  ASSERT_TRUE(PutAndWait(*cache, 1, "record"));
  server.Command("CONFIG SET maxmemory 1");
  for (std::uint64_t key = 10; key < 30; ++key) EXPECT_FALSE(PutAndWait(*cache, key, "record"));
  EXPECT_EQ(cache->Stats().write_errors, 20u);
  EXPECT_EQ(Ask(*cache, 1).bytes, "record");
  EXPECT_EQ(NodeStats(*cache, server.address()).state, "up");
  EXPECT_THAT(NodeStats(*cache, server.address()).last_error, HasSubstr("OOM"));
}

TEST(RedisCacheTest, APurgeDropsWhatItsFilterMatchesAndNothingElse) {
  RedisServer server;
  auto cache = OpenAndWait(Options({server.address()}));
  for (std::uint64_t key = 0; key < 900; ++key) Put(*cache, key, "record", {key % 3 + 1, 7, 8});
  ASSERT_TRUE(WaitFor([&] { return cache->Stats().written == 900; }));
  server.Command("SET somebody:elses 1");
  const auto purge = [&](const SubjectFilter& filter) {
    std::promise<std::pair<std::uint64_t, std::string>> done;
    cache->Purge(filter, 1h, [&](std::uint64_t dropped, const std::string& error) {
      done.set_value({dropped, error});
    });
    return done.get_future().get();
  };
  using Outcome = std::pair<std::uint64_t, std::string>;
  EXPECT_EQ(purge({.model = 2}), Outcome(300, ""));
  EXPECT_EQ(Ask(*cache, 1, {2, 7, 8}).result, RedisLookUp::kMiss);
  EXPECT_EQ(Ask(*cache, 0, {1, 7, 8}).result, RedisLookUp::kHit);
  EXPECT_EQ(purge({.version = 9}), Outcome(0, ""));
  EXPECT_EQ(purge({.model = 3, .version = 7, .symbol = 8}), Outcome(300, ""));
  EXPECT_EQ(purge({}), Outcome(300, ""));
  EXPECT_EQ(server.Command("DBSIZE"), "1");
}

TEST(RedisCacheTest, APurgeWaitsForARedisThatIsAway) {
  RedisServer server;
  RedisOptions options = Options({server.address()});
  options.timeout = 100ms;
  options.ping_interval = 50ms;
  auto cache = OpenAndWait(options);
  for (std::uint64_t key = 0; key < 10; ++key) ASSERT_TRUE(PutAndWait(*cache, key, "record"));
  server.Stop();
  ASSERT_TRUE(WaitFor([&] { return !cache->available(); }));
  using Outcome = std::pair<std::uint64_t, std::string>;
  std::promise<Outcome> short_lived, all;
  cache->Purge({}, 10ms, [&](std::uint64_t dropped, const std::string& error) {
    short_lived.set_value({dropped, error});
  });
  cache->Purge({}, 1h, [&](std::uint64_t dropped, const std::string& error) { all.set_value({dropped, error}); });
  EXPECT_TRUE(WaitFor([&] { return cache->Stats().purge_waits_for.starts_with(server.address()); }));
  EXPECT_EQ(short_lived.get_future().get(), Outcome(0, "")) << "by then it has expired";
  auto done = all.get_future();
  EXPECT_EQ(done.wait_for(0s), std::future_status::timeout);
  server.Continue();
  EXPECT_EQ(done.get(), Outcome(10, ""));
  EXPECT_EQ(server.Command("DBSIZE"), "0");
  EXPECT_EQ(cache->Stats().purge_waits_for, "");
}

TEST(RedisCacheTest, APurgeReachesTheSparesToo) {
  RedisServer first, spare;
  auto cache = OpenAndWait(Options({first.address(), spare.address()}));
  spare.Command("SET " + KeyOf(1) + " record");
  std::promise<std::uint64_t> done;
  cache->Purge({}, 1h, [&](std::uint64_t dropped, const std::string&) { done.set_value(dropped); });
  EXPECT_EQ(done.get_future().get(), 1u);
}

TEST(RedisCacheTest, WhatBecomesOfANodeIsToldOnceAChange) {
  RedisServer server({"--requirepass", "right"});
  RedisOptions options = Options({server.address()});
  options.password = "wrong";
  Mutex mutex;
  std::vector<std::string> told;
  options.on_notice = [&](const std::string& text) {
    MutexLock lock(mutex);
    told.push_back(text);
  };
  {
    auto cache = OpenCache(options);
    ASSERT_TRUE(WaitFor([&] { return cache->Stats().connects_failed >= 3; }));
  }
  EXPECT_THAT(told, testing::ElementsAre("cache.redis: " + server.address() +
                                         ": AUTH was refused: WRONGPASS; check cache.redis.username and "
                                         "cache.redis.password"));
  told.clear();
  options.password = "right";
  OpenAndWait(options);
  EXPECT_THAT(told, testing::ElementsAre("cache.redis: " + server.address() + " is up"));
}

TEST(RedisCacheTest, EachAddressOfANameIsTried) {
  RedisServer server;
  RedisOptions options = Options({"redis.example:" + std::to_string(server.port())});
  options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"127.0.0.2", "127.0.0.1"};  // nobody listens at the first
  };
  auto cache = OpenAndWait(options);
  EXPECT_EQ(cache->Stats().connects_failed, 1u);
}

TEST(RedisCacheTest, AResolverThatHangsIsAskedOnceAndNotWaitedFor) {
  struct Hanging {
    std::atomic<int> asked = 0;
    std::promise<void> end;
    std::shared_future<void> ended = end.get_future().share();
  };
  const auto hanging = std::make_shared<Hanging>();  // its thread may outlive all of this
  RedisOptions options = Options({"redis.example:6379"});
  options.connect_timeout = 20ms;
  options.resolve = [hanging](const std::string&) -> Result<std::vector<std::string>> {
    ++hanging->asked;
    hanging->ended.wait();
    return std::vector<std::string>{"127.0.0.1"};
  };
  auto cache = OpenCache(options);
  EXPECT_TRUE(WaitFor([&] { return cache->Stats().connects_failed >= 3; }));
  EXPECT_EQ(cache->Stats().nodes[0].last_error, "name: not resolved in time");
  cache.reset();  // would never come back if it waited
  EXPECT_EQ(hanging->asked, 1);
  hanging->end.set_value();
}

}  // namespace
}  // namespace punctual::test
