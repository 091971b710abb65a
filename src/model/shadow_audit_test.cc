#include "model/shadow_audit.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace punctual {
namespace {

Outputs Scores(const std::vector<float>& values, Shape shape = {}, const std::string& name = "p") {
  if (shape.empty()) shape = {1, static_cast<std::int64_t>(values.size())};
  return Outputs(std::vector<NamedTensor>{{name, Tensor::Float32(shape, values)}});
}

TEST(ShadowAuditTest, TellsAnotherArgmaxFromAnotherValue) {
  const Outputs given = Scores({0.2f, 0.5f, 0.3f});
  const auto compare = [&](const Outputs& other) {
    const Difference difference = Compare(given, other, 0.15);
    return std::pair(difference.argmax, difference.value);
  };
  EXPECT_EQ(compare(given), std::pair(false, false));
  EXPECT_EQ(compare(Scores({0.3f, 0.4f, 0.3f})), std::pair(false, false));
  EXPECT_EQ(compare(Scores({0.2f, 0.39f, 0.41f})), std::pair(true, false));
  EXPECT_EQ(compare(Scores({0.0f, 0.9f, 0.1f})), std::pair(false, true));
  EXPECT_EQ(compare(Scores({0.9f, 0.0f, 0.1f})), std::pair(true, true));
}

TEST(ShadowAuditTest, TheArgmaxIsOfEachRowOfTheLastAxis) {
  const Outputs given = Scores({1, 2, 4, 3}, {2, 2});
  EXPECT_FALSE(Compare(given, Scores({1, 2, 5, 3}, {2, 2}), 10).argmax);
  EXPECT_TRUE(Compare(given, Scores({1, 2, 3, 4}, {2, 2}), 10).argmax);
  // One number has no place that could change, however large it is.
  EXPECT_FALSE(Compare(Scores({1}), Scores({9}), 10).argmax);
}

TEST(ShadowAuditTest, OutputsOfAnotherKindDiffer) {
  const Outputs given = Scores({1, 2});
  EXPECT_TRUE(Compare(given, Scores({1, 2}, {2, 1}), 10).value);
  EXPECT_TRUE(Compare(given, Scores({1, 2}, {1, 2}, "q"), 10).value);
  EXPECT_TRUE(Compare(given, Scores({1, 2, 3}), 10).value);
  EXPECT_TRUE(Compare(given, Outputs(), 10).value);
  const std::vector<NamedTensor> whole = {{"p", Tensor(DType::kInt32, {1, 2})}};
  EXPECT_TRUE(Compare(given, Outputs(whole), 10).value);
  EXPECT_TRUE(Compare(given, Scores({1, std::numeric_limits<float>::quiet_NaN()}), 10).value);
}

TEST(ShadowAuditTest, EveryDTypeIsCompared) {
  const auto one = []<class T>(DType dtype, T value) {
    Tensor tensor(dtype, {1, 2});
    tensor.mutable_values<T>()[1] = value;
    return Outputs(std::vector<NamedTensor>{{"p", tensor}});
  };
  const auto differ = [&]<class T>(DType dtype, T by) {
    return Compare(one(dtype, T{0}), one(dtype, by), 2).value && !Compare(one(dtype, T{1}), one(dtype, by), 2).value;
  };
  EXPECT_TRUE(differ(DType::kFloat32, 3.0f));
  EXPECT_TRUE(differ(DType::kFloat64, 3.0));
  EXPECT_TRUE(differ(DType::kInt32, std::int32_t{3}));
  EXPECT_TRUE(differ(DType::kInt64, std::int64_t{3}));
}

TEST(ShadowAuditTest, SamplesTheShareItWasGiven) {
  const auto sampled = [](double share) {
    ShadowAudit audit({.audit_share = share, .seed = 7});
    int count = 0;
    for (int i = 0; i < 100'000; ++i) count += audit.Sample();
    return count;
  };
  EXPECT_EQ(sampled(0), 0);
  EXPECT_EQ(sampled(1), 100'000);
  // Four standard deviations.
  EXPECT_NEAR(sampled(0.01), 1000, 126);
  EXPECT_NEAR(sampled(0.5), 50'000, 633);
}

TEST(ShadowAuditTest, TheChoiceIsTheSeeds) {
  const auto choice = [](std::uint64_t seed) {
    ShadowAudit audit({.audit_share = 0.5, .seed = seed});
    std::vector<bool> sampled;
    for (int i = 0; i < 100; ++i) sampled.push_back(audit.Sample());
    return sampled;
  };
  EXPECT_EQ(choice(1), choice(1));
  EXPECT_NE(choice(1), choice(2));
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
  ShadowAudit audit({.audit_share = 0.5, .max_error_share = 1});
  const Outputs answer = Scores({0, 1}), other = Scores({0, 2});
  std::atomic<int> sampled = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        sampled += audit.Sample();
        audit.Record(answer, i % 2 == 0 ? answer : other);
        (void)audit.tripped();
        (void)audit.stats();
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(audit.stats().audited, 8000u);
  EXPECT_EQ(audit.stats().differed, 4000u);
  EXPECT_NEAR(sampled, 4000, 179);
}

}  // namespace
}  // namespace punctual
