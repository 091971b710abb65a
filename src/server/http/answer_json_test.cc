#include "server/http/answer_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <limits>

#include "server/http/json_writer.h"

namespace punctual::http {
namespace {

Prediction SomePrediction() {
  Prediction prediction;
  const float values[] = {0.1f, 0.2f, 0.7f};
  prediction.outputs = Outputs(std::vector<NamedTensor>{{"probabilities", Tensor::Float32({1, 3}, values)}});
  prediction.identity = std::make_shared<const ModelIdentity>(ModelIdentity{"m", "3", "fp32"});
  prediction.budget = std::chrono::milliseconds(15);
  prediction.elapsed = std::chrono::nanoseconds(210'400);
  prediction.trace = 0xab12;
  return prediction;
}

std::string Text(const Prediction& prediction) {
  std::string out;
  AppendPrediction(out, prediction);
  return out;
}

TEST(AnswerJsonTest, AnAnswerSaysWhatItIs) {
  EXPECT_EQ(Text(SomePrediction()),
            R"({"outputs":{"probabilities":[0.1,0.2,0.7]},"model":"m","version":"3","variant":"fp32","source":"model",)"
            R"("degraded":false,"deadline_ms":15,"elapsed_ms":0.21,"trace":"000000000000ab12"})");
}

TEST(AnswerJsonTest, ADegradedAnswerSaysWhyAndHowOld) {
  Prediction prediction = SomePrediction();
  prediction.source = Source::kStale;
  prediction.degraded = true;
  prediction.approximate = true;
  prediction.reason = "no \"worker\"";
  prediction.as_of = AsOf{18446744073709551615u, 1700000000000000001};
  prediction.age = std::chrono::microseconds(12345);
  EXPECT_EQ(Text(prediction),
            R"({"outputs":{"probabilities":[0.1,0.2,0.7]},"model":"m","version":"3","variant":"fp32","source":"stale",)"
            R"("degraded":true,"reason":"no \"worker\"","approximate":true,)"
            R"("as_of":{"seq":18446744073709551615,"time_ns":1700000000000000001},"age_ms":12.345,)"
            R"("deadline_ms":15,"elapsed_ms":0.21,"trace":"000000000000ab12"})");
}

TEST(AnswerJsonTest, OutputsAreNestedAsTheirShapeWithoutABatchOfOne) {
  const auto outputs = [](Shape shape, std::vector<float> values) {
    Prediction prediction = SomePrediction();
    prediction.outputs = Outputs(std::vector<NamedTensor>{{"y", Tensor::Float32(std::move(shape), values)}});
    const std::string text = Text(prediction);
    return text.substr(0, text.find(",\"model\""));
  };
  EXPECT_EQ(outputs({1, 2, 2}, {1, 2, 3, 4}), R"({"outputs":{"y":[[1,2],[3,4]]})");
  EXPECT_EQ(outputs({2, 1}, {1, 2}), R"({"outputs":{"y":[[1],[2]]})");
  EXPECT_EQ(outputs({1}, {0.5}), R"({"outputs":{"y":[0.5]})");
  EXPECT_EQ(outputs({1, 1}, {0.5}), R"({"outputs":{"y":[0.5]})");
  EXPECT_EQ(outputs({}, {1e-7f}), R"({"outputs":{"y":1e-07})");
  EXPECT_EQ(outputs({2}, {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}),
            R"({"outputs":{"y":[null,null]})");
}

TEST(AnswerJsonTest, FloatsReadBackAsTheSameFloats) {
  for (const float value : {0.1f, 1.0f / 3, 16777217.0f, 1.17549435e-38f, 3.4028235e38f, -0.0f}) {
    std::string text;
    AppendJsonNumber(text, value);
    EXPECT_EQ(std::strtof(text.c_str(), nullptr), value) << text;
  }
}

TEST(AnswerJsonTest, EveryByteOfTextReadsBack) {
  std::string text;
  for (int c = 0; c < 0x80; ++c) text += static_cast<char>(c);
  text += "\xE2\x82\xAC\xF0\x9F\x98\x80";
  std::string out;
  AppendJsonText(out, text);
  EXPECT_EQ(boost::json::parse(out).as_string(), text);
}

TEST(AnswerJsonTest, ErrorsCarryCodeAndMessage) {
  std::string out;
  AppendError(out, Fail(Code::kNotFound, "user: nobody is called \"x\""));
  EXPECT_EQ(out, R"({"error":{"code":"NOT_FOUND","message":"user: nobody is called \"x\""}})");
}

TEST(AnswerJsonTest, AnErrorSaysWhenToAskAgainRoundedUp) {
  Error error = Fail(Code::kResourceExhausted, "user: too many");
  error.retry_after = std::chrono::nanoseconds(12'000'001);
  std::string out;
  AppendError(out, error);
  EXPECT_EQ(out, R"({"error":{"code":"RESOURCE_EXHAUSTED","message":"user: too many","retry_after_ms":12.001}})");
}

TEST(AnswerJsonTest, ModelsAndStatsAreJson) {
  ModelStatus good{.name = "a", .version = "2", .inputs = {"book FP32 [1,100,40]"}, .outputs = {"p FP32 [1,3]", "q"}};
  ModelStatus bad{.name = "b", .error = "cannot \"load\""};
  ModelStatus exact{.name = "c"}, near{.name = "d"};
  exact.semantic.emplace().kind = "exact";
  near.semantic = SemanticStatus{"approximate", false, 0.5, 40, 3, "3 of 40 differed"};
  near.shadow.emplace().share = 0.25;
  near.shadow->variants["student"] = {40, 3, 1, 0.125};
  std::string out;
  AppendModels(out, {good, bad, exact, near});
  const auto models = boost::json::parse(out).at("models").as_array();
  ASSERT_EQ(models.size(), 4u);
  EXPECT_FALSE(models[0].as_object().contains("semantic"));
  EXPECT_EQ(models[2].at("semantic"), boost::json::parse(R"({"kind":"exact","on":true})"));
  EXPECT_EQ(models[3].at("semantic"), boost::json::parse(R"({"kind":"approximate","on":false,"audit_share":0.5,)"
                                                         R"("audited":40,"differed":3,"summary":"3 of 40 differed"})"));
  EXPECT_FALSE(models[0].as_object().contains("shadow"));
  EXPECT_EQ(models[3].at("shadow"), boost::json::parse(R"({"share":0.25,"student":{"compared":40,"differed":3,)"
                                                       R"("dropped":1,"mean_difference":0.125}})"));
  EXPECT_EQ(models[0].at("serving"), true);
  EXPECT_EQ(models[0].at("outputs").as_array().size(), 2u);
  EXPECT_EQ(models[1].at("serving"), false);
  EXPECT_EQ(models[1].at("error"), "cannot \"load\"");
  EngineStats stats;
  stats.tiers = {{.tier = "premium", .budget = std::chrono::milliseconds(15), .answered = 3}, {.tier = "basic"}};
  stats.sources = {{"l1", 2}, {"model", 1}};
  out.clear();
  AppendStats(out, stats);
  const auto read = boost::json::parse(out);
  EXPECT_EQ(read.at("tiers").at("premium").at("budget_ms"), 15);
  EXPECT_EQ(read.at("sources").at("l1"), 2);
  EXPECT_EQ(read.at("cache").at("memory").at("hits"), 0);
}

TEST(AnswerJsonTest, EveryCodeHasItsStatus) {
  EXPECT_EQ(HttpStatus(Code::kOk), 200);
  EXPECT_EQ(HttpStatus(Code::kInvalidArgument), 400);
  EXPECT_EQ(HttpStatus(Code::kOutOfRange), 400);
  EXPECT_EQ(HttpStatus(Code::kFailedPrecondition), 400);
  EXPECT_EQ(HttpStatus(Code::kUnauthenticated), 401);
  EXPECT_EQ(HttpStatus(Code::kPermissionDenied), 403);
  EXPECT_EQ(HttpStatus(Code::kNotFound), 404);
  EXPECT_EQ(HttpStatus(Code::kAlreadyExists), 409);
  EXPECT_EQ(HttpStatus(Code::kResourceExhausted), 429);
  EXPECT_EQ(HttpStatus(Code::kInternal), 500);
  EXPECT_EQ(HttpStatus(Code::kUnavailable), 503);
  EXPECT_EQ(HttpStatus(Code::kDeadlineExceeded), 504);
}

}  // namespace
}  // namespace punctual::http
