#include "model/shadow_comparison.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace punctual {
namespace {

constexpr StandIn kStudent = StandIn::kStudent;

Outputs Scores(const std::vector<float>& values) {
  const Shape shape = {1, static_cast<std::int64_t>(values.size())};
  return Outputs(std::vector<NamedTensor>{{"p", Tensor::Float32(shape, values)}});
}

Outputs Label(std::int64_t value) {
  Tensor tensor(DType::kInt64, {1});
  tensor.mutable_values<std::int64_t>()[0] = value;
  return Outputs(std::vector<NamedTensor>{{"label", tensor}});
}

bool Differ(const Outputs& models, const Outputs& stand_ins) {
  ShadowComparison comparison(1, 7, {kStudent});
  comparison.Record(kStudent, models, stand_ins);
  EXPECT_EQ(comparison.stats(kStudent).compared, 1u);
  return comparison.stats(kStudent).differed == 1;
}

TEST(ShadowComparisonTest, TheLargestNumberIsTheClass) {
  EXPECT_FALSE(Differ(Scores({0.2f, 0.5f, 0.3f}), Scores({0.0f, 0.9f, 0.1f})));
  EXPECT_TRUE(Differ(Scores({0.2f, 0.5f, 0.3f}), Scores({0.2f, 0.39f, 0.41f})));
}

TEST(ShadowComparisonTest, OfOneNumberATenthIsAnotherClass) {
  EXPECT_FALSE(Differ(Scores({8}), Scores({8.75f})));
  EXPECT_TRUE(Differ(Scores({8}), Scores({9})));
  EXPECT_FALSE(Differ(Scores({-8}), Scores({-7.25f})));
  EXPECT_TRUE(Differ(Scores({-8}), Scores({8})));
  EXPECT_FALSE(Differ(Scores({0}), Scores({0})));
  EXPECT_TRUE(Differ(Scores({0}), Scores({1e-6f})));
}

TEST(ShadowComparisonTest, AWholeNumberIsTheClassItself) {
  EXPECT_FALSE(Differ(Label(20), Label(20)));
  EXPECT_TRUE(Differ(Label(20), Label(21)));
}

TEST(ShadowComparisonTest, OnlyTheFirstOutputCounts) {
  const auto both = [](std::vector<float> p, std::vector<float> q) {
    return Outputs(std::vector<NamedTensor>{{"p", Tensor::Float32({1, 2}, p)}, {"q", Tensor::Float32({1, 2}, q)}});
  };
  ShadowComparison comparison(1, 7, {kStudent});
  comparison.Record(kStudent, both({1, 2}, {3, 4}), both({1, 2.5f}, {9, 4}));
  EXPECT_EQ(comparison.stats(kStudent).differed, 0u);
  EXPECT_EQ(comparison.stats(kStudent).mean_difference, 0.5);
}

TEST(ShadowComparisonTest, OutputsOfAnotherKindDiffer) {
  EXPECT_TRUE(Differ(Scores({1, 2}), Scores({1, 2, 3})));
  EXPECT_TRUE(Differ(Scores({1}), Label(1)));
}

TEST(ShadowComparisonTest, AnswersWithoutOutputsAreNotCompared) {
  ShadowComparison comparison(1, 7, {kStudent});
  comparison.Record(kStudent, Outputs(), Outputs());
  comparison.Record(kStudent, Scores({1, 2}), Outputs());
  EXPECT_EQ(comparison.stats(kStudent).compared, 0u);
}

TEST(ShadowComparisonTest, TheDifferenceIsTheMeanOfTheLastOnes) {
  ShadowComparison comparison(1, 7, {kStudent});
  EXPECT_EQ(comparison.stats(kStudent).mean_difference, 0);
  comparison.Record(kStudent, Scores({1, 2}), Scores({1, 3}));
  comparison.Record(kStudent, Scores({1, 2}), Scores({-2, 3}));
  EXPECT_EQ(comparison.stats(kStudent).mean_difference, 2);
  for (std::size_t i = 0; i < ShadowComparison::kWindow; ++i)
    comparison.Record(kStudent, Scores({1, 2}), Scores({1, 2.25f}));
  const ShadowComparison::Stats stats = comparison.stats(kStudent);
  EXPECT_EQ(stats.mean_difference, 0.25);
  EXPECT_EQ(stats.compared, 2 + ShadowComparison::kWindow);
}

TEST(ShadowComparisonTest, EveryStandInHasAName) {
  for (const StandIn stand_in : kStandIns) {
    EXPECT_FALSE(StandInName(stand_in).empty());
    EXPECT_EQ(StandInOf(StandInName(stand_in)), stand_in);
  }
  EXPECT_EQ(StandInOf("fp32"), std::nullopt);
}

TEST(ShadowComparisonTest, EachStandInIsCountedByItself) {
  ShadowComparison comparison(1, 7, {kStudent, StandIn::kInt8});
  comparison.Record(kStudent, Scores({0, 1}), Scores({2, 1}));
  comparison.Record(StandIn::kInt8, Scores({0, 1}), Scores({0, 1}));
  comparison.Record(StandIn::kInt8, Scores({0, 1}), Scores({0, 2}));
  comparison.CountDropped(StandIn::kInt8);
  EXPECT_EQ(comparison.stats(kStudent).compared, 1u);
  EXPECT_EQ(comparison.stats(kStudent).differed, 1u);
  EXPECT_EQ(comparison.stats(kStudent).dropped, 0u);
  EXPECT_EQ(comparison.stats(StandIn::kInt8).compared, 2u);
  EXPECT_EQ(comparison.stats(StandIn::kInt8).differed, 0u);
  EXPECT_EQ(comparison.stats(StandIn::kInt8).dropped, 1u);
  EXPECT_EQ(comparison.stats(StandIn::kInt8).mean_difference, 0.5);
}

TEST(ShadowComparisonTest, CountsWhatManyThreadsRecord) {
  ShadowComparison comparison(1, 7, {kStudent});
  const Outputs models = Scores({0, 1}), other = Scores({2, 1});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        comparison.Record(kStudent, models, i % 4 == 0 ? other : models);
        if (i % 8 == 0) comparison.CountDropped(kStudent);
        (void)comparison.stats(kStudent);
      }
    });
  for (auto& thread : threads) thread.join();
  const ShadowComparison::Stats stats = comparison.stats(kStudent);
  EXPECT_EQ(stats.compared, 8000u);
  EXPECT_EQ(stats.differed, 2000u);
  EXPECT_EQ(stats.dropped, 1000u);
}

}  // namespace
}  // namespace punctual
