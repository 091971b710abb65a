#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <thread>

#include "engine/engine_under_test.h"
#include "request_log/read_log.h"
#include "telemetry/registry.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST_F(EngineTest, AnswersFromTheModelThenFromMemoryAndSaysSo) {
  AddLinear("3");
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("BTCUSDT", Book(41)).has_value());
  ASSERT_TRUE(engine.Publish("BTCUSDT", Book(42)).has_value());
  const Prediction first = engine.Predict(Of("BTCUSDT")).value();
  EXPECT_EQ(first.source, Source::kModel);
  EXPECT_FALSE(first.degraded);
  EXPECT_EQ(first.identity->model, "m");
  EXPECT_EQ(first.identity->version, "3");
  EXPECT_EQ(first.identity->variant, "fp32");
  EXPECT_EQ(first.as_of->sequence, 42u);
  EXPECT_EQ(first.as_of->time_ns, 1'700'000'000'000'000'042);
  EXPECT_EQ(first.budget, std::chrono::seconds(20));
  EXPECT_GT(first.elapsed, Duration::zero());
  EXPECT_GE(*first.age, Duration::zero());
  ExpectLinear(first, 2);

  const Prediction second = engine.Predict(Of("BTCUSDT")).value();
  EXPECT_EQ(second.source, Source::kL1);
  EXPECT_FALSE(second.degraded);
  EXPECT_NE(second.trace, first.trace);
  ExpectLinear(second, 2);
}

TEST_F(EngineTest, ANewBookIsANewQuestion) {
  AddLinear();
  Engine engine = Open();
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
    const double size = 1 + static_cast<double>(sequence);
    ASSERT_TRUE(engine.Publish("A", Book(sequence, size)).has_value());
    const Prediction answer = engine.Predict(Of("A")).value();
    EXPECT_EQ(answer.source, Source::kModel);
    EXPECT_EQ(answer.as_of->sequence, sequence);
    ExpectLinear(answer, size);
  }
}

TEST_F(EngineTest, BooksInTheRequestAreAnsweredWithoutTouchingTheState) {
  AddLinear();
  Engine engine = Open();
  PredictRequest request;
  request.user = "u2";
  request.market = {Book(7, 9)};
  const Prediction answer = engine.Predict(request).value();
  EXPECT_EQ(answer.source, Source::kModel);
  EXPECT_EQ(answer.as_of->sequence, 7u);
  ExpectLinear(answer, 9);
  EXPECT_EQ(engine.Predict(request).value().source, Source::kL1);
  EXPECT_EQ(engine.Stats().snapshots, 0u);
  request.market[0].sequence = 0;
  request.market[0].exchange_time_ns = 0;
  EXPECT_FALSE(engine.Predict(request).value().as_of.has_value()) << "the book does not say";
}

TEST_F(EngineTest, TensorsMayLeaveOutTheBatchDimension) {
  AddLinear();
  Engine engine = Open();
  const std::vector<float> x = {0.25f, -0.5f};
  const auto expected = test::LinearModelReference(x, 3);
  for (const Shape& shape : {Shape{1, 2}, Shape{2}, Shape{1, 1, 2}}) {
    const auto answer = engine.Predict(Tensors(x, shape));
    ASSERT_TRUE(answer.has_value()) << ShapeText(shape);
    EXPECT_NEAR(answer->outputs[0].values<float>()[2], expected[2], 1e-6);
    EXPECT_FALSE(answer->as_of.has_value());
    EXPECT_FALSE(answer->age.has_value());
  }
}

TEST_F(EngineTest, WrongRequestsNameTheField) {
  AddLinear();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  const auto refused = [&](PredictRequest request, Code code, const std::string& what) {
    const auto answer = engine.Predict(std::move(request));
    ASSERT_TRUE(answer.has_error()) << what;
    EXPECT_EQ(answer.error().code, code) << answer.error().message;
    EXPECT_THAT(answer.error().message, HasSubstr(what));
  };
  refused({}, Code::kInvalidArgument, "user:");
  refused(Of("A", "ghost"), Code::kNotFound, "user: \"ghost\"");
  refused(Of("NOPE"), Code::kNotFound, "symbol: nothing was published for \"NOPE\"");
  refused(Of(""), Code::kInvalidArgument, "symbol:");
  refused(Of("bad symbol\n"), Code::kInvalidArgument, "symbol");
  PredictRequest request = Of("A");
  request.model = "nope";
  refused(request, Code::kNotFound, "model: \"nope\"");
  request = Of("A");
  request.budget = Duration(0);
  refused(request, Code::kInvalidArgument, "deadline_ms");
  refused(Tensors({1, 2, 3}, {3}), Code::kInvalidArgument, "inputs.book: has the shape [3], must be [1,2]");
  refused(Tensors({1, 2}, {2, 1}), Code::kInvalidArgument, "inputs.book: has the shape [2,1]");
  refused(Tensors({1, NAN}, {1, 2}), Code::kInvalidArgument, "inputs.book: every number must be finite");
  refused(Tensors({1, INFINITY}, {1, 2}), Code::kInvalidArgument, "finite");
  request = Tensors({1, 2}, {2});
  request.inputs[0].name = "x";
  refused(request, Code::kInvalidArgument, "inputs.x: model m has no such input; it has: book");
  request = Tensors({1, 2}, {2});
  request.inputs[0].tensor = Tensor(DType::kInt64, {2});
  refused(request, Code::kInvalidArgument, "inputs.book: is INT64, must be FP32");
  request = Tensors({1, 2}, {2});
  request.inputs.push_back(request.inputs[0]);
  refused(request, Code::kInvalidArgument, "inputs.book: is given twice");
  request.market = {Book(1)};
  refused(request, Code::kInvalidArgument, "market, inputs");
  request = {};
  request.user = "u2";
  request.market = {Book(1)};
  request.market[0].levels[0].ask_price = 98;
  refused(request, Code::kInvalidArgument, "market[0]");
  request.market = {Book(2), Book(1)};
  refused(request, Code::kInvalidArgument, "market[1].seq: falls; give the oldest book first");
  request.market = {Book(1)};
  request.market[0].level_count = 1;
  refused(request, Code::kInvalidArgument, "market[0]: has 1 levels, model m needs 2");
}

TEST_F(EngineTest, ALongerDeadlineIsCutToTheTiersAndAShorterOneCounts) {
  AddLinear();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  PredictRequest request = Of("A");  // long enough for an answer on a machine that is busy with tests
  request.budget = std::chrono::hours(1);
  EXPECT_EQ(engine.Predict(request).value().budget, std::chrono::seconds(20));
  request.budget = std::chrono::seconds(10);
  EXPECT_EQ(engine.Predict(request).value().budget, std::chrono::seconds(10));
}

TEST_F(EngineTest, AWindowThatIsNotFullGivesTheSignalElseUnavailableWithTheReason) {
  repository_.AddModel(
      "m", "1", "[features]\ninput = \"book\"\nwindow = 1\nlevels = 2\ncolumns = [\"return_1_bp\", \"imbalance_1\"]\n",
      test::LinearModel(2, 3));
  repository_.Write(
      "m/1/signals.csv",
      "symbol,computed_at_ns,probabilities_0,probabilities_1,probabilities_2\nA,1700000000000000000,0.5,0.25,0.25\n");
  Engine engine = Open();
  for (const char* symbol : {"A", "B"}) ASSERT_TRUE(engine.Publish(symbol, Book(1)).has_value());
  const Prediction signal = engine.Predict(Of("A")).value();
  EXPECT_EQ(signal.source, Source::kSignal);
  EXPECT_TRUE(signal.degraded);
  EXPECT_THAT(signal.reason, HasSubstr("1 of 2 books"));
  EXPECT_FALSE(signal.as_of.has_value());
  EXPECT_GT(*signal.age, std::chrono::hours(24));
  EXPECT_EQ(signal.outputs[0].values<float>()[0], 0.5f);

  const auto none = engine.Predict(Of("B"));
  ASSERT_TRUE(none.has_error());
  EXPECT_EQ(none.error().code, Code::kUnavailable);
  EXPECT_THAT(none.error().message, HasSubstr("1 of 2 books"));

  ASSERT_TRUE(engine.Publish("A", Book(2)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
  EXPECT_EQ(engine.Stats().tiers[1].unanswered, 1u);
}

TEST_F(EngineTest, WhenTheModelIsTooSlowTheLastKnownGoodAnswerComesInTimeWithItsAge) {
  AddGated();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
  ASSERT_TRUE(engine.Publish("A", Book(2, 7)).has_value());
  gate_.Close();
  PredictRequest hurried = Of("A");
  hurried.budget = milliseconds(200);
  const Prediction stale = engine.Predict(hurried).value();
  EXPECT_EQ(stale.source, Source::kStale);
  EXPECT_TRUE(stale.degraded);
  EXPECT_EQ(stale.as_of->sequence, 1u);
  EXPECT_GT(*stale.age, Duration::zero());
  EXPECT_THAT(stale.reason, HasSubstr("answer-by"));
  // The computation went on: who asks the same a while later finds it, or its answer.
  gate_.Open();
  const Prediction later = engine.Predict(Of("A")).value();
  EXPECT_TRUE(later.source == Source::kL1 || later.source == Source::kCoalesced);
  EXPECT_EQ(later.as_of->sequence, 2u);
}

TEST_F(EngineTest, BooksThatAreTooOldAreNotAnswered) {
  AddLinear("1", 1, "max_age_ms = 20\n");
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  std::this_thread::sleep_for(milliseconds(30));
  const auto answer = engine.Predict(Of("A"));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("ms old"));
}

TEST_F(EngineTest, ThoseWhoAskTheSameAtTheSameTimeShareOneComputation) {
  AddGated();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  gate_.Close();
  std::vector<std::future<Result<Prediction>>> answers;
  for (int i = 0; i < 50; ++i) {
    auto promise = std::make_shared<std::promise<Result<Prediction>>>();
    answers.push_back(promise->get_future());
    engine.PredictAsync(Of("A"), [promise](Result<Prediction> answer) { promise->set_value(std::move(answer)); });
  }
  gate_.Open();
  int model = 0, coalesced = 0;
  for (auto& future : answers) {
    const auto answer = future.get();
    ASSERT_TRUE(answer.has_value());
    model += answer->source == Source::kModel;
    coalesced += answer->source == Source::kCoalesced;
  }
  EXPECT_EQ(model, 1);
  EXPECT_EQ(coalesced, 49);
  EXPECT_THAT(engine.metrics().PrometheusText(), HasSubstr("punctual_inference_seconds_count{model=\"m\"} 1\n"));
}

TEST_F(EngineTest, AFollowerWhoseTimeRunsOutTakesItsOwnLadder) {
  AddGated();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  gate_.Close();
  std::promise<Result<Prediction>> leader;
  engine.PredictAsync(Of("A"), [&](Result<Prediction> answer) { leader.set_value(std::move(answer)); });
  PredictRequest hurried = Of("A");
  hurried.budget = milliseconds(1);
  const auto follower = engine.Predict(hurried);
  ASSERT_TRUE(follower.has_error());
  EXPECT_EQ(follower.error().code, Code::kUnavailable);
  gate_.Open();
  EXPECT_EQ(leader.get_future().get().value().source, Source::kModel);
}

TEST_F(EngineTest, WhatHasNotBegunByItsAnswerByNeverDoes) {
  AddGated();
  options_.workers = 1;
  Engine engine = Open();
  const auto ask = [&](std::uint64_t sequence, Duration budget) {
    PredictRequest request = Of("");
    request.market = {Book(sequence, static_cast<double>(sequence))};
    request.budget = budget;
    auto promise = std::make_shared<std::promise<Result<Prediction>>>();
    engine.PredictAsync(request, [promise](Result<Prediction> answer) { promise->set_value(std::move(answer)); });
    return promise->get_future();
  };
  gate_.Close();
  auto first = ask(1, std::chrono::seconds(20));  // holds the only worker
  while (engine.Stats().queued != 0) std::this_thread::yield();
  std::vector<std::future<Result<Prediction>>> expired;
  for (std::uint64_t i = 2; i <= 20; ++i) expired.push_back(ask(i, milliseconds(100)));
  for (auto& answer : expired) EXPECT_EQ(answer.get().error().code, Code::kUnavailable);
  auto living = ask(100, std::chrono::seconds(20));
  gate_.Open();
  EXPECT_EQ(first.get().value().source, Source::kModel);
  EXPECT_EQ(living.get().value().source, Source::kModel);
  EXPECT_THAT(engine.metrics().PrometheusText(), HasSubstr("punctual_inference_seconds_count{model=\"m\"} 2\n"));
}

TEST_F(EngineTest, AnAnswerThatIsNotFiniteIsNoAnswer) {
  repository_.AddModel("m", "1", test::ImbalanceManifest(2), test::LogModel(2));
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1, 100)).has_value());  // negative imbalance
  const auto answer = engine.Predict(Of("A"));
  ASSERT_TRUE(answer.has_error());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("not finite"));
  ASSERT_TRUE(engine.Publish("A", Book(2, 1)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
}

TEST_F(EngineTest, AFullQueueGoesToTheNextRung) {
  AddGated();
  options_.queue_limit = 1;
  options_.workers = 1;
  Engine engine = Open();
  gate_.Close();
  const auto ask = [&](double ask_size) {
    PredictRequest request;
    request.user = "u2";
    request.market = {Book(1, ask_size)};
    return AskAsync(engine, std::move(request));
  };
  auto computed = ask(1);
  ASSERT_TRUE(Eventually([&] { return engine.Stats().queued == 0; }));
  auto waits = ask(2);
  EXPECT_THAT(ask(3).get().error().message, HasSubstr("queue of the worker pool is full"));
  gate_.Open();
  EXPECT_TRUE(computed.get().has_value());
  EXPECT_TRUE(waits.get().has_value());
}

TEST_F(EngineTest, SignalsPastTheirAgeAreNotGiven) {
  AddGated();
  repository_.Write("m/model.toml", test::ImbalanceManifest(2, "signal_max_age_ms = 1000\n"));
  repository_.Write(
      "m/1/signals.csv",
      "symbol,computed_at_ns,probabilities_0,probabilities_1,probabilities_2\nA,1700000000000000000,1,0,0\n");
  Engine engine = Open();
  EXPECT_EQ(engine.Predict(Of("A")).error().code, Code::kUnavailable);
}

TEST_F(EngineTest, ALadderWithoutMemoryComputesEachTime) {
  AddLinear("1", 1, "ladder = [\"coalesced\", \"model\"]\n");
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
  EXPECT_EQ(engine.Stats().cache.memory.entries, 0u);
}

TEST_F(EngineTest, EndingAnswersWhatWasAdmitted) {
  AddGated();
  std::atomic<int> called = 0;
  {
    Engine engine = Open();
    gate_.Close();
    for (std::uint64_t i = 1; i <= 20; ++i) {
      ASSERT_TRUE(engine.Publish("A", Book(i, static_cast<double>(i))).has_value());
      engine.PredictAsync(Of("A"), [&](Result<Prediction>) { ++called; });
    }
    EXPECT_EQ(called, 0);
    gate_.Open();
  }
  EXPECT_EQ(called, 20);
}

TEST_F(EngineTest, ForgettingASymbolLetsItsFeedStartAgain) {
  AddLinear();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(100)).has_value());
  EXPECT_EQ(engine.Publish("A", Book(100)).error().code, Code::kAlreadyExists);
  EXPECT_EQ(engine.Publish("A", Book(1)).error().code, Code::kOutOfRange);
  ASSERT_TRUE(engine.Forget("A").has_value());
  EXPECT_TRUE(engine.Publish("A", Book(1)).has_value());
  EXPECT_EQ(engine.Forget("B").error().code, Code::kNotFound);
}

TEST_F(EngineTest, TheRequestLogHasWhatWasAskedWhoeverAnswered) {
  AddLinear();
  options_.request_log = RequestLogOptions{repository_.path() + "/log", 1, std::size_t{1} << 20};
  {
    Engine engine = Open();
    ASSERT_TRUE(engine.Predict(Tensors({0.25f, -1}, {1, 2})).has_value());
    for (std::uint64_t sequence : {1, 2}) {
      ASSERT_TRUE(engine.Publish("A", Book(sequence)).has_value());
      ASSERT_TRUE(engine.Predict(Of("A")).has_value());
    }
    EXPECT_EQ(engine.Predict(Of("A"))->source, Source::kL1);
    PredictRequest books = Of("");
    books.market = {Book(7, 5)};
    ASSERT_TRUE(engine.Predict(std::move(books)).has_value());
    ASSERT_TRUE(Eventually([&] { return engine.Stats().request_log->logged == 5; }));
  }
  auto reader = LogReader::Open(repository_.path() + "/log/m").value();
  std::vector<LoggedRequest> logged;
  while (auto request = reader.Next()) logged.push_back(*request);
  ASSERT_EQ(logged.size(), 5u);
  // Each goes to the log once its asker was called: the next may come before it.
  std::vector<std::uint64_t> of_state;
  for (const LoggedRequest& request : logged) {
    if (request.inputs != nullptr) {
      EXPECT_EQ(request.inputs->at(0).name, "book");
      EXPECT_EQ(request.inputs->at(0).tensor.values<float>()[0], 0.25f);
      continue;
    }
    EXPECT_EQ(request.window.size(), 1u);  // what the model needs, not all that the market has
    const BookSnapshot& newest = request.window.newest().book;
    if (request.symbol == "A")
      of_state.push_back(newest.sequence);
    else
      EXPECT_EQ(newest.levels[0].ask_size, 5);
  }
  EXPECT_THAT(of_state, testing::UnorderedElementsAre(1, 2, 2));
}

TEST_F(EngineTest, AFolderOfTheRequestLogThatCannotBeIsRefusedAtTheStart) {
  AddLinear();
  options_.request_log = RequestLogOptions{"/proc/nothing/log", 1, std::size_t{1} << 20};
  EXPECT_THAT(Engine::Open(options_).error().message, HasSubstr("request_log.directory: /proc/nothing/log"));
}

TEST_F(EngineTest, OptionsThatCannotWorkAreRefusedByName) {
  AddLinear();
  const auto error = [&](auto change) {
    EngineOptions options = options_;
    change(options);
    return Engine::Open(options).error().message;
  };
  EXPECT_THAT(error([](EngineOptions& o) { o.model_repository = ""; }), HasSubstr("models.repository"));
  EXPECT_THAT(error([](EngineOptions& o) { o.model_repository = "/nonexistent"; }), HasSubstr("/nonexistent"));
  EXPECT_THAT(error([](EngineOptions& o) { o.users[0].tier = "gold"; }), HasSubstr("\"gold\""));
  EXPECT_THAT(error([](EngineOptions& o) { o.market_history = 0; }), HasSubstr("market.history"));
  EXPECT_THAT(error([](EngineOptions& o) { o.queue_limit = 0; }), HasSubstr("engine.queue_limit: must be above 0"));
  EXPECT_THAT(error([](EngineOptions& o) { o.worker_cores = {0, 4000}; }), HasSubstr("may not use core 4000"));
}

}  // namespace
}  // namespace punctual
