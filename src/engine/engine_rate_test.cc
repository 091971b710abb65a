// The engine's rate limits.
#include <gmock/gmock.h>

#include "engine/engine_under_test.h"
#include "telemetry/registry.h"

namespace punctual {
namespace {

using ::testing::HasSubstr;

// So slow that no token comes back while a test runs.
constexpr double kSlow = 0.001;

class EngineRateTest : public EngineTest {
 protected:
  EngineRateTest() {
    AddLinear();
    options_.users = {{"u1", "patient", "day"}, {"u2", "patient", "day"}};
  }
  static Error RefusalOf(Engine& engine, const std::string& user) {
    const auto answer = engine.Predict(Of("A", user));
    return answer.has_error() ? answer.error() : Error{Code::kOk, ""};
  }
};

TEST_F(EngineRateTest, AUserOverItsRateIsRefusedAndOthersAreNot) {
  options_.tiers["patient"].user_rate = kSlow;
  options_.tiers["patient"].user_burst = 2;
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(engine.Predict(Of("A", "u1")).has_value());
  const Error refusal = RefusalOf(engine, "u1");
  EXPECT_EQ(refusal.code, Code::kResourceExhausted);
  EXPECT_THAT(refusal.message, HasSubstr("user: \"u1\" is over its limit of 0.001 requests a second, 2 at once"));
  EXPECT_THAT(refusal.message, HasSubstr("tiers.patient.user_rate"));
  EXPECT_GT(refusal.retry_after, std::chrono::seconds(500));
  EXPECT_LE(refusal.retry_after, std::chrono::seconds(1000));
  EXPECT_TRUE(engine.Predict(Of("A", "u2")).has_value());
  EXPECT_EQ(engine.Stats().errors.at("RESOURCE_EXHAUSTED"), 1u);
  EXPECT_THAT(engine.metrics().PrometheusText(),
              HasSubstr("punctual_rate_limited_total{limit=\"user\",tier=\"patient\"} 1"));
}

TEST_F(EngineRateTest, ATierOverItsRateIsRefusedWhoeverAsks) {
  options_.tiers["patient"].rate = kSlow;
  options_.tiers["patient"].burst = 3;
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  for (const char* user : {"u1", "u2", "u1"}) EXPECT_TRUE(engine.Predict(Of("A", user)).has_value());
  const Error refusal = RefusalOf(engine, "u2");
  EXPECT_EQ(refusal.code, Code::kResourceExhausted);
  EXPECT_THAT(refusal.message, HasSubstr("tier: \"patient\""));
  EXPECT_THAT(refusal.message, HasSubstr("tiers.patient.rate"));
  EXPECT_THAT(engine.metrics().PrometheusText(),
              HasSubstr("punctual_rate_limited_total{limit=\"tier\",tier=\"patient\"} 1"));
}

TEST_F(EngineRateTest, TheLimitIsAskedBeforeTheQuestionIsLookedAt) {
  options_.tiers["patient"].user_rate = kSlow;
  options_.tiers["patient"].user_burst = 1;
  Engine engine = Open();
  EXPECT_EQ(RefusalOf(engine, "u1").code, Code::kNotFound);  // the symbol
  EXPECT_EQ(RefusalOf(engine, "u1").code, Code::kResourceExhausted);
  EXPECT_EQ(RefusalOf(engine, "nobody").code, Code::kNotFound);
}

TEST_F(EngineRateTest, WithoutALimitNothingIsRefused) {
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(engine.Predict(Of("A", "u1")).has_value());
}

TEST_F(EngineRateTest, ALimitThatCannotWorkIsNamed) {
  options_.tiers["patient"].user_burst = 5;
  const auto engine = Engine::Open(options_);
  ASSERT_TRUE(engine.has_error());
  EXPECT_THAT(engine.error().message, HasSubstr("tiers.patient.user_burst"));
}

}  // namespace
}  // namespace punctual
