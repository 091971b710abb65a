// The layers of the cache behind a real engine: a real disk, a real Redis.
#include <gmock/gmock.h>

#include <filesystem>
#include <future>
#include <thread>

#include "engine/engine_under_test.h"
#include "support/redis_server.h"
#include "telemetry/registry.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class EngineCacheTest : public EngineTest {
 protected:
  EngineCacheTest() {
    directory_ = repository_.path() + ".cache";
    std::filesystem::remove_all(directory_);
  }
  ~EngineCacheTest() override { std::filesystem::remove_all(directory_); }

  void UseDisk(Duration warm_up = milliseconds(500)) {
    options_.disk_cache.emplace();
    options_.disk_cache->directory = directory_;
    options_.disk_cache->bytes = 4u << 20;
    options_.disk_cache->warm_up = warm_up;
  }
  void UseRedis(const test::RedisServer& server) {
    options_.cache_secret = "shared";
    options_.redis.emplace();
    options_.redis->nodes = {server.address()};
    // On a busy machine that tests a look-up may take long; computing must take longer, or Redis is not asked.
    options_.redis->timeout = std::chrono::seconds(10);
    gate_.SetPace(milliseconds(60));
  }
  // Until Redis was asked often enough to know that it is quicker than the gated model's 3 ms.
  static void AwaitRedis(Engine& engine) {
    for (int i = 0; i < 2000; ++i) {
      const CacheStats stats = engine.Stats().cache;
      if (!stats.redis->nodes.empty() && stats.redis->nodes[0].state == "up" &&
          stats.redis->nodes[0].look_up_time > Duration::zero())
        return;
      std::this_thread::sleep_for(milliseconds(5));
    }
    FAIL() << "no Redis";
  }
  static Prediction Ask(Engine& engine, std::uint64_t sequence = 1) {
    PredictRequest request = Of("");
    request.market = {Book(sequence, static_cast<double>(sequence))};
    return engine.Predict(std::move(request)).value();
  }

  std::string directory_;
};

TEST_F(EngineCacheTest, AnswersOutliveTheProcessOnDisk) {
  AddLinear();
  UseDisk(Duration(0));
  Outputs computed;
  {
    Engine engine = Open();
    const Prediction answer = Ask(engine);
    EXPECT_EQ(answer.source, Source::kModel);
    computed = answer.outputs;
  }
  {
    Engine engine = Open();
    const Prediction answer = Ask(engine);
    EXPECT_EQ(answer.source, Source::kL2);
    EXPECT_FALSE(answer.degraded);
    EXPECT_EQ(answer.outputs, computed);
    EXPECT_EQ(answer.identity->model, "m");
    EXPECT_EQ(Ask(engine).source, Source::kL1);  // it was promoted
    EXPECT_EQ(engine.Stats().cache.disk->look_ups.hits, 1u);
  }
  options_.disk_cache->warm_up = std::chrono::seconds(10);
  Engine engine = Open();
  EXPECT_EQ(engine.Stats().cache.memory.warmed, 1u);
  EXPECT_EQ(Ask(engine).source, Source::kL1);
}

TEST_F(EngineCacheTest, ANewVersionNeverSeesTheOldOnesAnswersWhichGo) {
  AddLinear("1", 1);
  UseDisk();
  Engine engine = Open();
  EXPECT_EQ(Ask(engine).source, Source::kModel);
  EXPECT_TRUE(Eventually([&] { return engine.Stats().cache.disk->writes == 1; }));
  repository_.AddModel("m", "2", test::ImbalanceManifest(2), test::LinearModel(2, 3, 2));
  engine.Reload();
  const Prediction answer = Ask(engine);
  EXPECT_EQ(answer.source, Source::kModel);
  EXPECT_EQ(answer.identity->version, "2");
  ExpectLinear(answer, 1, 2);
  EXPECT_TRUE(Eventually([&] { return engine.Stats().cache.disk->entries == 1; }));
  EXPECT_TRUE(Eventually([&] { return engine.Stats().cache.memory.entries == 1; }));
}

TEST_F(EngineCacheTest, APurgeDropsOneModelsOrOneSymbolsAnswers) {
  AddLinear();
  UseDisk();
  Engine engine = Open();
  for (const char* symbol : {"A", "B"}) {
    ASSERT_TRUE(engine.Publish(symbol, Book(1, symbol[0])).has_value());
    EXPECT_EQ(engine.Predict(Of(symbol)).value().source, Source::kModel);
  }
  EXPECT_TRUE(Eventually([&] { return engine.Stats().cache.disk->entries == 2; }));
  EXPECT_EQ(engine.PurgeCache({"", "A"}).value().memory.dropped, 1u);
  // Memory is emptied once more after the disk: only then is what is computed next sure to stay.
  EXPECT_TRUE(Eventually([&] { return engine.Stats().cache.purges_running == 0; }));
  EXPECT_EQ(engine.Stats().cache.disk->entries, 1u);
  EXPECT_EQ(engine.Predict(Of("B")).value().source, Source::kL1);
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
  const auto unknown = engine.PurgeCache({"other", ""});
  ASSERT_TRUE(unknown.has_error());
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_EQ(unknown.error().message, "model: no model \"other\" is served here");
  const PurgeStatus begun = engine.PurgeCache({"m", "B"}).value();
  EXPECT_EQ(begun.what, "model m, symbol B");
  EXPECT_EQ(engine.PurgeCache({"m", ""}).value().memory.dropped, 1u);
  EXPECT_TRUE(Eventually([&] { return engine.Stats().cache.purges_running == 0; }));
  EXPECT_EQ(engine.Predict(Of("B")).value().source, Source::kModel);
}

TEST_F(EngineCacheTest, ADiskThatCannotBeUsedIsSaidAndDoneWithout) {
  AddLinear();
  UseDisk();
  options_.disk_cache->directory = "/proc/no/such";
  std::string said;
  options_.on_notice = [&said](const std::string& text) { said += text; };
  Engine engine = Open();
  EXPECT_THAT(said, HasSubstr("no disk cache: cache.disk.directory: /proc/no/such"));
  EXPECT_EQ(Ask(engine).source, Source::kModel);
  EXPECT_EQ(Ask(engine).source, Source::kL1);
  EXPECT_FALSE(engine.Stats().cache.disk.has_value());
}

TEST_F(EngineCacheTest, RedisNeedsASecret) {
  AddLinear();
  options_.redis.emplace();
  options_.redis->nodes = {"127.0.0.1:1"};
  const auto engine = Engine::Open(options_);
  ASSERT_TRUE(engine.has_error());
  EXPECT_THAT(engine.error().message, HasSubstr("cache.secret: is missing"));
}

TEST_F(EngineCacheTest, EnginesThatShareARedisShareTheirAnswers) {
  const test::RedisServer redis;
  AddGated();
  UseRedis(redis);
  Engine one = Open(), other = Open();
  AwaitRedis(one);
  AwaitRedis(other);
  const Prediction computed = Ask(one);
  EXPECT_EQ(computed.source, Source::kModel);
  EXPECT_TRUE(Eventually([&] { return one.Stats().cache.redis->writes == 1; }));
  const std::string metrics = one.metrics().PrometheusText();
  for (const char* line :
       {"punctual_redis_nodes 1\n", "punctual_redis_nodes_up 1\n", "punctual_redis_connects_failed_total 0\n"})
    EXPECT_THAT(metrics, HasSubstr(line));
  const Prediction answer = Ask(other);
  EXPECT_EQ(answer.source, Source::kL3);
  EXPECT_EQ(answer.outputs, computed.outputs);
  EXPECT_EQ(Ask(other).source, Source::kL1);
}

TEST_F(EngineCacheTest, RedisIsNotAskedWhereComputingIsQuicker) {
  const test::RedisServer redis;
  AddLinear();  // some microseconds
  UseRedis(redis);
  Engine engine = Open();
  AwaitRedis(engine);
  EXPECT_EQ(Ask(engine).source, Source::kModel);
  const CacheStats stats = engine.Stats().cache;
  EXPECT_EQ(stats.redis->look_ups.skipped, 1u);
  EXPECT_EQ(stats.redis->look_ups.misses, 0u);
  EXPECT_EQ(redis.Command("DBSIZE"), "0");
}

TEST_F(EngineCacheTest, WhatSomebodyElseWroteUnderOurKeysIsNeverServed) {
  const test::RedisServer redis;
  AddGated();
  UseRedis(redis);
  Engine one = Open(), other = Open();
  AwaitRedis(one);
  AwaitRedis(other);
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(Ask(one, i).source, Source::kModel);
  EXPECT_TRUE(Eventually([&] { return one.Stats().cache.redis->writes == 3; }));
  // Each key gets another key's record, but the last, which is cut off.
  redis.Command(
      "EVAL \"local k=redis.call('KEYS','*') local v=redis.call('GET',k[1]) "
      "redis.call('SET',k[1],redis.call('GET',k[2])) "
      "redis.call('SET',k[2],v) redis.call('SET',k[3],string.sub(redis.call('GET',k[3]),1,70))\" 0");
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const Prediction answer = Ask(other, i);
    EXPECT_EQ(answer.source, Source::kModel);
    ExpectLinear(answer, static_cast<double>(i));
  }
  const auto faults = other.Stats().cache.redis->faults;
  EXPECT_EQ(faults.at("key"), 2u);
  EXPECT_EQ(faults.at("checksum"), 1u);
}

TEST_F(EngineCacheTest, ALookUpThatIsStillOutDoesNotHoldBackTheModelWhenSlackShrinks) {
  test::RedisServer redis;
  AddGated();
  UseRedis(redis);
  Engine engine = Open();
  AwaitRedis(engine);
  redis.Stop();
  PredictRequest request = Of("");
  request.market = {Book(1)};
  request.budget = milliseconds(500);
  const auto answer = engine.Predict(std::move(request));
  // On a machine that is busy enough it may come too late for the request. That it was begun is the point: the look-up
  // would be out for ten seconds.
  if (answer.has_value()) {
    EXPECT_EQ(answer->source, Source::kModel);
  }
  EXPECT_TRUE(Eventually([&] {
    return engine.metrics().PrometheusText().find("punctual_inference_seconds_count{model=\"m\"} 1\n") !=
           std::string::npos;
  }));
  redis.Continue();
}

TEST_F(EngineCacheTest, AnAnswerFromRedisLandsTheFlight) {
  test::RedisServer redis;
  AddGated();
  UseRedis(redis);
  Engine one = Open(), other = Open();
  AwaitRedis(one);
  AwaitRedis(other);
  Ask(one);
  EXPECT_TRUE(Eventually([&] { return one.Stats().cache.redis->writes == 1; }));
  redis.Stop();  // so that all ask while the look-up is out
  std::vector<std::future<Result<Prediction>>> answers;
  for (int i = 0; i < 10; ++i) {
    auto promise = std::make_shared<std::promise<Result<Prediction>>>();
    answers.push_back(promise->get_future());
    PredictRequest request = Of("");
    request.market = {Book(1, 1)};
    other.PredictAsync(std::move(request),
                       [promise](Result<Prediction> answer) { promise->set_value(std::move(answer)); });
  }
  redis.Continue();
  int from_redis = 0, coalesced = 0;
  for (auto& future : answers) {
    const Prediction answer = future.get().value();
    from_redis += answer.source == Source::kL3;
    coalesced += answer.source == Source::kCoalesced;
  }
  EXPECT_EQ(from_redis, 1);
  EXPECT_EQ(coalesced, 9);
}

TEST_F(EngineCacheTest, WhatTheDiskGaveIsTheLastKnownGoodAnswerToo) {
  AddLinear();
  UseDisk();
  {
    Engine engine = Open();
    ASSERT_TRUE(engine.Publish("A", Book(7, 2)).has_value());
    EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
  }
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(7, 2)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kL1);
  ASSERT_TRUE(engine.Publish("A", Book(8, 3)).has_value());
  PredictRequest hurried = Of("A");
  hurried.budget = Duration(1);
  const Prediction stale = engine.Predict(std::move(hurried)).value();
  EXPECT_EQ(stale.source, Source::kStale);
  EXPECT_EQ(stale.as_of->sequence, 7u);
}

TEST_F(EngineCacheTest, WhenALeadersTimeIsUpTheComputationGoesOnForItsFollowers) {
  // It waits for a worker; its followers have all the time.
  AddGated();
  options_.workers = 1;
  Engine engine = Open();
  gate_.Close();
  const auto ask = [&](std::uint64_t sequence, Duration budget) {
    PredictRequest request = Of("");
    request.market = {Book(sequence, static_cast<double>(sequence))};
    request.budget = budget;
    auto promise = std::make_shared<std::promise<Result<Prediction>>>();
    engine.PredictAsync(std::move(request),
                        [promise](Result<Prediction> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  };
  auto first = ask(1, std::chrono::seconds(20));  // holds the only worker
  ASSERT_TRUE(Eventually([&] { return engine.Stats().queued == 0; }));
  auto leader = ask(2, milliseconds(200));
  std::vector<std::future<Result<Prediction>>> followers;
  for (int i = 0; i < 5; ++i) followers.push_back(ask(2, std::chrono::seconds(20)));
  EXPECT_EQ(leader.get().error().code, Code::kUnavailable);
  gate_.Open();
  for (auto& follower : followers) {
    const Prediction answer = follower.get().value();
    ExpectLinear(answer, 2);
    EXPECT_EQ(answer.source, Source::kCoalesced);
  }
  EXPECT_EQ(first.get().value().source, Source::kModel);
}

TEST_F(EngineCacheTest, InputsThatTheModelCannotTellApartShareAnAnswer) {
  const std::string manifest = test::ImbalanceManifest(2, "[semantic]\nkind = \"exact\"\n");
  repository_.AddModel("m", "1", manifest, test::QuantizedModel(2, 3, CodeType::kInt8, {{0.1f, 0}}));
  Engine engine = Open();
  const Prediction first = engine.Predict(Tensors({0.31f, -0.2f}, {1, 2})).value();
  EXPECT_EQ(first.source, Source::kModel);
  const Prediction same_codes = engine.Predict(Tensors({0.33f, -0.21f}, {1, 2})).value();
  EXPECT_EQ(same_codes.source, Source::kL1);
  EXPECT_FALSE(same_codes.approximate || same_codes.degraded);
  EXPECT_EQ(same_codes.outputs, first.outputs);
  EXPECT_EQ(engine.Predict(Tensors({0.36f, -0.2f}, {1, 2})).value().source, Source::kModel);
  EXPECT_EQ(engine.Models()[0].semantic->kind, "exact");
  // Of books as well, through their features.
  PredictRequest books = Of("");
  books.market = {Book(1, 2)};
  EXPECT_EQ(engine.Predict(books).value().source, Source::kModel);
  books.market = {Book(1, 2.001)};
  EXPECT_EQ(engine.Predict(books).value().source, Source::kL1);
}

TEST_F(EngineCacheTest, AModelThatReadsItsInputsAsTheyAreIsRefusedExactSemanticAnswers) {
  AddLinear("1", 1, "[semantic]\nkind = \"exact\"\n");
  Engine engine = Open();
  EXPECT_THAT(engine.Models()[0].error, HasSubstr("semantic.kind: input \"book\""));
}

constexpr const char* kApproximate =
    "[semantic]\nkind = \"approximate\"\ngrid = [0.1]\ntolerance = 0.5\nmax_error_share = 0.5\n";

TEST_F(EngineCacheTest, NearInputsMayShareAnAnswerThatSaysSo) {
  AddLinear("1", 1, kApproximate);
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(7, 2)).has_value());
  const Prediction first = engine.Predict(Of("A")).value();
  EXPECT_EQ(first.source, Source::kModel);
  ASSERT_TRUE(engine.Publish("A", Book(8, 2.001)).has_value());
  const Prediction near = engine.Predict(Of("A")).value();
  EXPECT_EQ(near.source, Source::kSemantic);
  EXPECT_TRUE(near.approximate);
  EXPECT_TRUE(near.degraded);
  EXPECT_EQ(near.as_of->sequence, 7u);
  EXPECT_GT(*near.age, Duration::zero());
  EXPECT_EQ(near.outputs, first.outputs);
  ASSERT_TRUE(engine.Publish("A", Book(9, 3)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
}

TEST_F(EngineCacheTest, InputsBeyondTheLastCellShareNothing) {
  AddLinear("1", 1, kApproximate);
  Engine engine = Open();
  EXPECT_EQ(engine.Predict(Tensors({1e10f, 0.5f}, {1, 2})).value().source, Source::kModel);
  EXPECT_EQ(engine.Predict(Tensors({1e15f, 0.5f}, {1, 2})).value().source, Source::kModel);
}

TEST_F(EngineCacheTest, AnApproximateAnswerIsNotGivenPastItsAge) {
  AddLinear("1", 1, std::string(kApproximate) + "max_age_ms = 20\n");
  Engine engine = Open();
  EXPECT_EQ(engine.Predict(Tensors({0.5f, 0.5f}, {1, 2})).value().source, Source::kModel);
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_EQ(engine.Predict(Tensors({0.501f, 0.5f}, {1, 2})).value().source, Source::kModel);
}

TEST_F(EngineCacheTest, ApproximateAnswersTurnThemselvesOffWhenTooManyDiffer) {
  AddLinear(
      "1", 1,
      "[semantic]\nkind = \"approximate\"\ngrid = [0.1]\ntolerance = 0\nmax_error_share = 0.1\naudit_share = 1\n");
  Mutex mutex;
  std::vector<std::string> said;
  options_.on_notice = [&](const std::string& text) {
    MutexLock lock(mutex);
    said.push_back(text);
  };
  Engine engine = Open();
  EXPECT_EQ(engine.Predict(Tensors({0.5f, 0.5f}, {1, 2})).value().source, Source::kModel);
  int asked = 0;
  EXPECT_TRUE(Eventually([&] {
    const float x = 0.5f + 0.00001f * static_cast<float>(++asked % 4000);
    return engine.Predict(Tensors({x, 0.5f}, {1, 2})).value().source == Source::kModel;
  }));
  EXPECT_TRUE(Eventually([&] {
    MutexLock lock(mutex);
    return !said.empty();
  }));
  {
    MutexLock lock(mutex);
    EXPECT_THAT(said, ElementsAre(HasSubstr("approximate answers are off")));
  }
  const auto line = [](const std::string& result, std::uint64_t count) {
    return "punctual_semantic_audits_total{model=\"m\",result=\"" + result + "\"} " + std::to_string(count) + "\n";
  };
  const auto text = [&engine] { return engine.metrics().PrometheusText(); };
  // Audits that wait for a worker go on.
  SemanticStatus semantic;
  EXPECT_TRUE(Eventually([&] {
    semantic = *engine.Models()[0].semantic;
    return engine.Stats().queued == 0 && text().find(line("differed", semantic.differed)) != std::string::npos;
  }));
  EXPECT_FALSE(semantic.on);
  EXPECT_EQ(semantic.kind, "approximate");
  EXPECT_GE(semantic.audited, 32u);
  EXPECT_GT(semantic.differed, 0u);
  EXPECT_THAT(text(), HasSubstr("punctual_semantic_on{model=\"m\"} 0\n"));
  // What is loaded next is given a chance, and its audits are counted on.
  repository_.AddModel("m", "2", test::ImbalanceManifest(2, std::string("max_age_ms = 600000\n") + kApproximate),
                       test::LinearModel(2, 3, 2));
  engine.Reload();
  EXPECT_THAT(text(), HasSubstr("punctual_semantic_on{model=\"m\"} 1\n"));
  EXPECT_EQ(engine.Models()[0].semantic->differed, 0u);
  EXPECT_THAT(text(), Not(HasSubstr(line("differed", 0))));
}

TEST_F(EngineCacheTest, LayersThatAreNotThereHaveNoMetrics) {
  AddLinear();
  EXPECT_THAT(Open().metrics().PrometheusText(), AllOf(HasSubstr("layer=\"memory\""), Not(HasSubstr("layer=\"disk\"")),
                                                       Not(HasSubstr("layer=\"redis\""))));
  UseDisk();
  EXPECT_THAT(Open().metrics().PrometheusText(),
              AllOf(HasSubstr("punctual_cache_writes_queued{layer=\"disk\"} 0"),
                    HasSubstr("punctual_cache_warmed_total{layer=\"memory\"} 0"), Not(HasSubstr("layer=\"redis\""))));
}

// After a clock that was ahead: the layer is told of the models' time to live.
TEST_F(EngineCacheTest, AnswersThatExpireLaterThanTheModelsKeepThemAreDropped) {
  AddLinear("1", 1, "[cache]\nttl_ms = 600000\n");
  UseDisk(Duration(0));
  {
    Engine engine = Open();
    EXPECT_EQ(Ask(engine).source, Source::kModel);
  }
  AddLinear("1", 1, "[cache]\nttl_ms = 300000\n");
  Engine engine = Open();
  EXPECT_EQ(Ask(engine).source, Source::kModel);
}

}  // namespace
}  // namespace punctual
