#include "model/shadow_audit.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace punctual {
namespace {

Outputs Scores(const std::vector<float>& values) {
  const Shape shape = {1, static_cast<std::int64_t>(values.size())};
  return Outputs(std::vector<NamedTensor>{{"p", Tensor::Float32(shape, values)}});
}

TEST(ShadowAuditTest, TellsAnotherArgmaxFromAnotherValue) {
  const Outputs given = Scores({0.2f, 0.5f, 0.3f});
  const auto differed = [&](const Outputs& other) {
    ShadowAudit audit({.tolerance = 0.15});
    audit.Record(given, other);
    const ShadowAudit::Stats stats = audit.stats();
    return std::pair(stats.differed_argmax == 1, stats.differed_value == 1);
  };
  EXPECT_EQ(differed(given), std::pair(false, false));
  EXPECT_EQ(differed(Scores({0.3f, 0.4f, 0.3f})), std::pair(false, false));
  EXPECT_EQ(differed(Scores({0.2f, 0.39f, 0.41f})), std::pair(true, false));
  EXPECT_EQ(differed(Scores({0.0f, 0.9f, 0.1f})), std::pair(false, true));
  EXPECT_EQ(differed(Scores({0.9f, 0.0f, 0.1f})), std::pair(true, true));
}

TEST(ShadowAuditTest, TripsAboveTheShareButNotBeforeEnoughAudits) {
  ShadowAudit audit({.tolerance = 0.1, .max_error_share = 0.25});
  const Outputs answer = Scores({0, 1}), other = Scores({0, 2});
  for (std::size_t i = 0; i + 1 < ShadowAudit::kFewest; ++i) audit.Record(answer, other);
  EXPECT_FALSE(audit.tripped());
  EXPECT_EQ(audit.stats().share, 1);
  audit.Record(answer, other);
  EXPECT_TRUE(audit.tripped());
}

TEST(ShadowAuditTest, TheShareItselfIsStillAllowed) {
  ShadowAudit audit({.max_error_share = 0.25});
  const Outputs answer = Scores({0, 1}), other = Scores({0, 2});
  for (int i = 0; i < 1000; ++i) audit.Record(answer, i % 4 == 3 ? other : answer);
  EXPECT_FALSE(audit.tripped());
  EXPECT_EQ(audit.stats().differed, 250u);
  EXPECT_EQ(audit.stats().share, 0.25);
  audit.Record(answer, other);  // in the place of one that did not differ
  EXPECT_TRUE(audit.tripped());
}

TEST(ShadowAuditTest, OldAuditsAreForgotten) {
  ShadowAudit audit({.max_error_share = 0.5});
  const Outputs answer = Scores({0, 1}), other = Scores({0, 2});
  for (std::size_t i = 0; i < ShadowAudit::kWindow; ++i) audit.Record(answer, i % 2 == 0 ? answer : other);
  EXPECT_EQ(audit.stats().share, 0.5);
  for (std::size_t i = 0; i < ShadowAudit::kWindow; ++i) audit.Record(answer, answer);
  EXPECT_EQ(audit.stats().share, 0);
  EXPECT_EQ(audit.stats().differed, ShadowAudit::kWindow / 2);
  EXPECT_FALSE(audit.tripped());
}

TEST(ShadowAuditTest, StaysTripped) {
  ShadowAudit audit({.max_error_share = 0});
  const Outputs answer = Scores({0, 1}), other = Scores({1, 0});
  for (int i = 0; i < 40; ++i) audit.Record(answer, other);
  for (int i = 0; i < 1000; ++i) audit.Record(answer, answer);
  const ShadowAudit::Stats stats = audit.stats();
  EXPECT_TRUE(audit.tripped());
  EXPECT_TRUE(stats.tripped);
  EXPECT_EQ(stats.share, 0);
  EXPECT_EQ(stats.audited, 1040u);
  EXPECT_EQ(stats.differed_argmax, 40u);
  EXPECT_EQ(stats.differed_value, 40u);
}

TEST(ShadowAuditTest, SummaryIsForPeople) {
  ShadowAudit audit({.tolerance = 2, .max_error_share = 1});
  EXPECT_EQ(audit.Summary(), "0 of 0 differed (0 in argmax, 0 in value), 0 % of the last 0");
  for (int i = 0; i < 297; ++i) audit.Record(Scores({0, 1}), Scores({0, 1}));
  for (int i = 0; i < 2; ++i) audit.Record(Scores({0, 1}), Scores({0, 9}));
  audit.Record(Scores({0, 1}), Scores({1, 0}));
  EXPECT_EQ(audit.Summary(), "3 of 300 differed (1 in argmax, 2 in value), 1.2 % of the last 256");
}

TEST(ShadowAuditTest, CountsWhatManyThreadsRecord) {
  ShadowAudit audit({.max_error_share = 1});
  const Outputs answer = Scores({0, 1}), other = Scores({0, 2});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        audit.Record(answer, i % 2 == 0 ? answer : other);
        (void)audit.tripped();
        (void)audit.stats();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(audit.stats().audited, 8000u);
  EXPECT_EQ(audit.stats().differed, 4000u);
}

}  // namespace
}  // namespace punctual
