// Questions that wait for a worker and are computed together.
#include <gmock/gmock.h>

#include <atomic>

#include "engine/engine_under_test.h"
#include "telemetry/registry.h"

namespace punctual {
namespace {

using ::testing::HasSubstr;

class EngineBatchTest : public EngineTest {
 protected:
  EngineBatchTest() {
    gate_.AllowBatches();
    repository_.AddModel("m", "1", "backend = \"gated\"\nladder = [\"model\"]\n", test::SquareModel(2));
    options_.workers = 1;
    options_.largest_batch = 8;
  }
  // Holds the only worker until the gate opens.
  std::future<Result<Prediction>> Occupy(Engine& engine) {
    gate_.Close();
    auto answer = AskAsync(engine, Tensors({0, 0}, {1, 2}));
    EXPECT_TRUE(Eventually([&] { return engine.Stats().queued == 0; }));
    return answer;
  }
};

TEST_F(EngineBatchTest, WhatWaitsIsComputedTogether) {
  Engine engine = Open();
  EXPECT_EQ(engine.Models()[0].largest_batch, 8u);
  std::vector<std::future<Result<Prediction>>> answers;
  answers.push_back(Occupy(engine));
  for (int i = 1; i <= 9; ++i) answers.push_back(AskAsync(engine, Tensors({static_cast<float>(i), -1}, {1, 2})));
  gate_.Open();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Prediction answer = answers[i].get().value();
    EXPECT_EQ(answer.source, Source::kModel);
    EXPECT_EQ(answer.outputs[0].values<float>()[0], static_cast<float>(i * i));
    EXPECT_TRUE(answer.queued.has_value() && answer.inference.has_value());
  }
  EXPECT_THAT(engine.metrics().PrometheusText(), HasSubstr("punctual_inferences_batched_total 7\n"));
}

TEST_F(EngineBatchTest, OneBadAnswerSpoilsNoOtherOfItsBatch) {
  Engine engine = Open();
  auto first = Occupy(engine);
  auto bad = AskAsync(engine, Tensors({1e30f, 0}, {1, 2})), good = AskAsync(engine, Tensors({2, 0}, {1, 2}));
  gate_.Open();
  EXPECT_TRUE(first.get().has_value());
  EXPECT_THAT(bad.get().error().message, HasSubstr("not finite"));
  EXPECT_EQ(good.get().value().outputs[0].values<float>()[0], 4);
  EXPECT_THAT(engine.metrics().PrometheusText(), HasSubstr("punctual_inferences_batched_total 1\n"));
}

TEST_F(EngineBatchTest, WhoLeftIsNotComputedWithTheOthers) {
  Engine engine = Open();
  auto first = Occupy(engine);
  const auto left = std::make_shared<std::atomic<bool>>(false);
  PredictRequest request = Tensors({5, 0}, {1, 2});
  request.asker_left = left;
  auto gone = AskAsync(engine, std::move(request)), stays = AskAsync(engine, Tensors({2, 0}, {1, 2}));
  left->store(true);
  gate_.Open();
  EXPECT_TRUE(first.get().has_value());
  EXPECT_EQ(gone.get().error().code, Code::kUnavailable);
  EXPECT_EQ(stays.get().value().outputs[0].values<float>()[0], 4);
}

}  // namespace
}  // namespace punctual
