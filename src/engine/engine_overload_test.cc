// What an engine does when the model has no time, fails, hangs, or is not wanted any more.
#include <gmock/gmock.h>

#include "engine/engine_under_test.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class EngineOverloadTest : public EngineTest {
 protected:
  // Model "m" as AddGated(), with the student "s", which weighs its input otherwise.
  void AddGatedWithStudent() {
    options_.reply_reserve = std::chrono::seconds(10);  // a quarter of the budget, so that the student is in time here
    repository_.AddModel("s", "1", test::ImbalanceManifest(2, "max_age_ms = 600000\n"), test::LinearModel(2, 3, 2));
    AddLinear("1", 1, "backend = \"gated\"\nstudent = \"s\"\n");
  }
  static PredictRequest Books(double ask_size, const std::string& user = "u2") {
    PredictRequest request;
    request.user = user;
    request.market = {Book(1, ask_size)};
    return request;
  }
  // The model fails for x <= 0.
  static PredictRequest Log(float x) { return Tensors({x, 1}, {1, 2}); }
  void AddLog(const std::string& more = "") {
    repository_.AddModel("m", "1", more + "ladder = [\"model\"]\n", test::LogModel(2));
  }
};

TEST_F(EngineOverloadTest, TheStudentAnswersWhenTimeIsShort) {
  AddGatedWithStudent();
  Engine engine = Open();
  ASSERT_EQ(engine.Models()[0].student, "s") << engine.Models()[0].student_error;
  gate_.Close();
  PredictRequest request = Books(2);
  request.budget = milliseconds(400);
  const Prediction answer = engine.Predict(std::move(request)).value();
  gate_.Open();
  EXPECT_EQ(answer.source, Source::kStudent);
  EXPECT_TRUE(answer.degraded);
  EXPECT_FALSE(answer.approximate);
  EXPECT_EQ(answer.identity->model, "s");
  EXPECT_THAT(answer.reason, HasSubstr("had not answered"));
  EXPECT_TRUE(answer.as_of.has_value());
  ExpectLinear(answer, 2, 2);
}

TEST_F(EngineOverloadTest, AModelThatWouldNotBeReadyIsNotWaitedFor) {
  gate_.SetPace(milliseconds(100));
  AddGatedWithStudent();
  Engine engine = Open();
  PredictRequest request = Books(2);
  request.budget = milliseconds(50);
  const Prediction answer = engine.Predict(std::move(request)).value();
  EXPECT_EQ(answer.source, Source::kStudent);
  EXPECT_THAT(answer.reason, HasSubstr("would not have been ready in time"));
  // Who has the time gets the model.
  EXPECT_EQ(engine.Predict(Books(3)).value().source, Source::kModel);
}

TEST_F(EngineOverloadTest, AStudentNeedsFewerBooksThanItsModel) {
  repository_.AddModel("s", "1", test::ImbalanceManifest(2, "max_age_ms = 600000\n"), test::LinearModel(2, 3, 2));
  repository_.AddModel("m", "1",
                       "student = \"s\"\nmax_age_ms = 600000\n[features]\ninput = \"book\"\nwindow = 2\nlevels = 2\n"
                       "columns = [\"imbalance_1\"]\n",
                       test::LinearModel(2, 3));
  Engine engine = Open();
  ASSERT_EQ(engine.Models()[0].student, "s") << engine.Models()[0].error << engine.Models()[0].student_error;
  ASSERT_TRUE(engine.Publish("A", Book(1, 2)).has_value());
  const Prediction answer = engine.Predict(Of("A")).value();
  EXPECT_EQ(answer.source, Source::kStudent);
  EXPECT_THAT(answer.reason, HasSubstr("not full yet"));
  ASSERT_TRUE(engine.Publish("A", Book(2, 2)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
}

TEST_F(EngineOverloadTest, WhatAStudentCannotBeAskedIsNotCompared) {
  repository_.AddModel("s", "1", test::ImbalanceManifest(1, "max_age_ms = 600000\n"), test::LinearModel(1, 3));
  AddLinear("1", 1, "student = \"s\"\nshadow_share = 1\n");
  Engine engine = Open();
  ASSERT_EQ(engine.Models()[0].student, "s") << engine.Models()[0].student_error;
  // Two features, of which the student takes one: books can be asked of both, tensors cannot.
  EXPECT_EQ(engine.Predict(Tensors({0.5f, 0.5f}, {1, 2})).value().source, Source::kModel);
  EXPECT_EQ(engine.Predict(Books(2)).value().source, Source::kModel);
  const auto compared = [&] { return engine.Models()[0].shadow->variants.at("student").compared; };
  EXPECT_TRUE(Eventually([&] { return compared() != 0; }));
  EXPECT_EQ(compared(), 1u);
  EXPECT_EQ(engine.Models()[0].shadow->variants.at("student").dropped, 0u);
}

TEST_F(EngineOverloadTest, AStudentThatHasBecomeSlowIsNotWaitedForUntilItIsQuickAgain) {
  using std::chrono::milliseconds;
  gate_.SetPace(milliseconds(0));
  repository_.AddModel("s", "1", test::ImbalanceManifest(2, "backend = \"gated\"\nmax_age_ms = 600000\n"),
                       test::LinearModel(2, 3, 2));
  // The model itself never has the books it needs.
  repository_.AddModel("m", "1",
                       "student = \"s\"\nmax_age_ms = 600000\nladder = [\"model\", \"student\"]\n[features]\n"
                       "input = \"book\"\nwindow = 2\nlevels = 2\ncolumns = [\"imbalance_1\"]\n",
                       test::LinearModel(2, 3));
  Engine engine = Open();
  ASSERT_EQ(engine.Models()[0].student, "s") << engine.Models()[0].error << engine.Models()[0].student_error;
  std::uint64_t symbol = 0;
  const auto answers = [&] {
    const std::string name = "S" + std::to_string(symbol++ % 1000);
    engine.Publish(name,
                   Book(symbol, static_cast<double>(symbol)));  // asked for the first time, so that it is computed
    return engine.Predict(Of(name, "u1")).has_value();
  };
  ASSERT_TRUE(Eventually(answers));
  gate_.SetPace(milliseconds(30));
  EXPECT_TRUE(Eventually([&] { return !answers(); }));
  gate_.SetPace(milliseconds(0));
  EXPECT_TRUE(Eventually(answers));
}

TEST_F(EngineOverloadTest, AStudentThatDoesNotFitIsReportedAndTheModelServes) {
  AddLinear("1", 1, "student = \"nobody\"\n");
  {
    Engine engine = Open();
    EXPECT_THAT(engine.Models()[0].student_error, HasSubstr("\"nobody\" is not in the repository"));
    EXPECT_EQ(engine.Predict(Books(2)).value().source, Source::kModel);
  }
  repository_.AddModel("nobody", "1", test::ImbalanceManifest(2), test::LinearModel(2, 4));
  Engine engine = Open();
  EXPECT_THAT(engine.Models()[0].student_error, HasSubstr("has other outputs: probabilities FP32 [1,4]"));
  repository_.AddModel("nobody", "2", test::ImbalanceManifest(2), test::LinearModel(2, 3));
  engine.Reload();
  EXPECT_EQ(engine.Models()[0].student_error, "");
  EXPECT_EQ(engine.Models()[0].student, "nobody");
}

// The model fails for books of x <= 0: one book a symbol, whose ask size makes it.
class EngineFailureTest : public EngineOverloadTest {
 protected:
  static constexpr double kGood = 2, kBad = 9;
  // Asks about the symbol's newest book, which is a new one.
  Result<Prediction> AskAbout(Engine& engine, double ask_size) {
    ++sequence_;
    EXPECT_TRUE(engine.Publish("S", Book(sequence_, ask_size + 1e-6 * static_cast<double>(sequence_))).has_value());
    PredictRequest request = Of("S");
    request.model = "m";
    return engine.Predict(std::move(request));
  }
  void AddLogOfBooks(const std::string& more = "") {
    repository_.AddModel("m", "1", test::ImbalanceManifest(2, "max_age_ms = 600000\n" + more), test::LogModel(2));
  }
  std::uint64_t sequence_ = 0;
};

TEST_F(EngineFailureTest, AModelThatFailsIsLeftAloneAndTriedAgain) {
  AddLogOfBooks("ladder = [\"model\"]\n");
  std::atomic<int> noticed = 0;
  options_.on_notice = [&noticed](const std::string& text) { noticed += text.find("is left alone") != text.npos; };
  Engine engine = Open();
  for (int i = 1; i <= 3; ++i) EXPECT_THAT(AskAbout(engine, kBad).error().message, HasSubstr("not finite"));
  EXPECT_EQ(noticed, 1);
  EXPECT_THAT(AskAbout(engine, kGood).error().message, HasSubstr("left alone after failures"));
  EXPECT_THAT(engine.Models()[0].health, HasSubstr("not finite"));
  EXPECT_TRUE(Eventually([&] { return AskAbout(engine, kGood).has_value(); }));
  EXPECT_EQ(engine.Models()[0].health, "");
}

TEST_F(EngineFailureTest, NumbersThatNoModelCanComputeWithAreNoFaultOfTheModel) {
  AddLog();
  Engine engine = Open();
  for (int i = 1; i <= 10; ++i)
    EXPECT_THAT(engine.Predict(Log(static_cast<float>(-i))).error().message, HasSubstr("not finite"));
  EXPECT_TRUE(engine.Predict(Log(1)).has_value());
  EXPECT_EQ(engine.Models()[0].health, "");
}

TEST_F(EngineFailureTest, AStudentThatFailsIsTriedAgainToo) {
  // The model never has the books it needs; the student answers.
  options_.market_history = 10'000;
  repository_.AddModel("m", "1",
                       "student = \"s\"\nmax_age_ms = 600000\n[features]\ninput = \"book\"\nwindow = 10000\n"
                       "levels = 2\ncolumns = [\"imbalance_1\"]\n",
                       test::LinearModel(10'000, 2));
  repository_.AddModel("s", "1", test::ImbalanceManifest(2, "max_age_ms = 600000\n"), test::LogModel(2));
  std::atomic<int> noticed = 0;
  options_.on_notice = [&noticed](const std::string& text) { noticed += text.find("model s is left alone") == 0; };
  Engine engine = Open();
  ASSERT_EQ(engine.Models()[0].student, "s") << engine.Models()[0].error << engine.Models()[0].student_error;
  EXPECT_EQ(AskAbout(engine, kGood).value().source, Source::kStudent);
  // A failure among successes takes some more than three.
  EXPECT_TRUE(Eventually([&] { return AskAbout(engine, kBad).has_error() && !engine.Models()[1].health.empty(); }));
  EXPECT_EQ(noticed, 1);
  EXPECT_TRUE(AskAbout(engine, kGood).has_error());
  EXPECT_TRUE(Eventually([&] { return AskAbout(engine, kGood).has_value(); }));
  EXPECT_EQ(engine.Models()[1].health, "");
}

TEST_F(EngineFailureTest, TheLastKnownGoodAnswerIsKeptByModelNotByFile) {
  for (const char* name : {"m", "same"})
    repository_.AddModel(name, "1", test::ImbalanceManifest(2, "max_age_ms = 600000\n"), test::LinearModel(2, 3));
  Engine engine = Open();
  const auto ask = [&](const std::string& model, bool in_time) {
    PredictRequest request = Of("S");
    request.model = model;
    if (!in_time) request.budget = std::chrono::nanoseconds(1);
    return engine.Predict(std::move(request)).value().source;
  };
  ASSERT_TRUE(engine.Publish("S", Book(1)).has_value());
  for (const char* name : {"m", "same"}) ask(name, true);
  ASSERT_TRUE(engine.Publish("S", Book(2, 3)).has_value());
  EXPECT_EQ(ask("m", false), Source::kStale);
  EXPECT_EQ(ask("same", false), Source::kStale);
}

TEST_F(EngineOverloadTest, AHungInferenceTakesNeitherThePoolNorOthersWithIt) {
  AddGated();
  repository_.AddModel("other", "1", test::ImbalanceManifest(2, "backend = \"gated\"\n"), test::LinearModel(2, 3));
  options_.workers = 1;
  options_.spare_workers = 1;
  options_.hung_after = milliseconds(50);
  Engine engine = Open();
  gate_.Close();
  auto hung = AskAsync(engine, Books(2));
  auto follower = AskAsync(engine, Books(2));
  EXPECT_THAT(hung.get().error().message, HasSubstr("takes far longer than it should"));
  EXPECT_THAT(follower.get().error().message, HasSubstr("left alone after failures: an inference hangs"));
  EXPECT_THAT(engine.Models()[0].health, HasSubstr("an inference hangs"));
  gate_.Open();  // also for the one that hangs: it returns, and the model is tried again
  PredictRequest another = Books(3);
  another.model = "other";
  EXPECT_EQ(engine.Predict(std::move(another)).value().source, Source::kModel);
  double size = 10;
  EXPECT_TRUE(Eventually([&] { return engine.Predict(Books(size += 1)).has_value(); }));
}

TEST_F(EngineOverloadTest, WhatNobodyWaitsForIsNotComputed) {
  AddGated();
  options_.workers = 1;
  Engine engine = Open();
  gate_.Close();
  auto first = AskAsync(engine, Books(2));  // holds the only worker
  ASSERT_TRUE(Eventually([&] { return engine.Stats().queued == 0; }));
  const auto left = std::make_shared<std::atomic<bool>>(false);
  PredictRequest request = Books(3);
  request.asker_left = left;
  auto second = AskAsync(engine, std::move(request));
  left->store(true);
  gate_.Open();
  EXPECT_EQ(second.get().error().code, Code::kUnavailable);
  EXPECT_EQ(first.get().value().source, Source::kModel);
}

TEST_F(EngineOverloadTest, WhatOthersAskForTooIsComputedForThem) {
  AddGated();
  options_.workers = 1;
  Engine engine = Open();
  gate_.Close();
  auto first = AskAsync(engine, Books(2));  // holds the only worker
  ASSERT_TRUE(Eventually([&] { return engine.Stats().queued == 0; }));
  const auto left = std::make_shared<std::atomic<bool>>(false);
  PredictRequest request = Books(3);
  request.asker_left = left;
  auto leader = AskAsync(engine, std::move(request)), follower = AskAsync(engine, Books(3));
  left->store(true);
  gate_.Open();
  EXPECT_EQ(leader.get().value().source, Source::kModel);
  EXPECT_EQ(follower.get().value().source, Source::kCoalesced);
  EXPECT_EQ(first.get().value().source, Source::kModel);
}

TEST_F(EngineOverloadTest, AnswersSayWhatTheyWaitedForAndComputed) {
  AddGated();
  Engine engine = Open();
  const Prediction computed = engine.Predict(Books(2)).value();
  ASSERT_TRUE(computed.queued.has_value() && computed.inference.has_value());
  EXPECT_GE(*computed.inference, milliseconds(3));  // the gated backend's own
  EXPECT_LE(*computed.queued + *computed.inference, computed.elapsed);
  const Prediction repeated = engine.Predict(Books(2)).value();
  EXPECT_FALSE(repeated.queued.has_value() || repeated.inference.has_value());
}

}  // namespace
}  // namespace punctual
