#include "optimize/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace punctual::optimize {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::Pointwise;
using ::testing::SizeIs;

std::vector<double> Normal(std::size_t count, double mean, double deviation, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, deviation);
  std::vector<double> numbers(count);
  for (double& number : numbers) number = normal(random);
  return numbers;
}

TEST(SpreadTest, BinsAreAsFullAsEachOther) {
  const Spread spread = SpreadOf("x", Normal(10'000, 0, 1, 1));
  EXPECT_EQ(spread.name, "x");
  EXPECT_THAT(spread.edges, SizeIs(9));
  ASSERT_THAT(spread.shares, SizeIs(10));
  for (const double share : spread.shares) EXPECT_NEAR(share, 0.1, 1e-3);
}

TEST(SpreadTest, OfFewDifferentNumbersThereAreFewBins) {
  std::vector<double> numbers(60, 0.0);
  numbers.insert(numbers.end(), 40, 1.0);
  const Spread spread = SpreadOf("x", numbers);
  EXPECT_THAT(spread.edges, ElementsAre(0.5));
  EXPECT_THAT(spread.shares, ElementsAre(0.6, 0.4));
}

TEST(SpreadTest, OfAConstantWhateverElseComesIsSeen) {
  const Spread spread = SpreadOf("x", std::vector<double>(500, 2.5));
  EXPECT_NEAR(StabilityIndex(spread, std::vector<double>(100, 2.5)), 0, 1e-9);
  EXPECT_GT(StabilityIndex(spread, std::vector<double>(100, 2.6)), 1);
  EXPECT_GT(StabilityIndex(spread, std::vector<double>(100, 2.4)), 1);
}

// Against the sum done by hand.
TEST(SpreadTest, NoEdgeGoesThroughWhatIsAsGoodAsEqual) {
  // A spread of one tick, in units of a price that moves a bit, and now and then a wide one.
  const auto books = [](double price) {
    std::vector<double> numbers;
    for (int i = 0; i < 1000; ++i) numbers.push_back(i % 50 == 0 ? 1 : price + 1e-7 * (i % 30));
    return numbers;
  };
  const Spread spread = SpreadOf("x", books(-0.4325));
  EXPECT_LT(StabilityIndex(spread, books(-0.4324)), 0.01);
  EXPECT_GT(StabilityIndex(spread, books(-0.3)), 0.25);
}

TEST(StabilityIndexTest, IsTheSumOverBins) {
  const Spread then{"x", {1}, {0.5, 0.5}};
  std::vector<double> now(750, 0.0);
  now.insert(now.end(), 250, 2.0);
  const double high = 750.5 / 1001, low = 250.5 / 1001;
  EXPECT_NEAR(StabilityIndex(then, now), (high - 0.5) * std::log(high / 0.5) + (low - 0.5) * std::log(low / 0.5),
              1e-12);
}

TEST(StabilityIndexTest, SaysHowFarNumbersMoved) {
  const Spread then = SpreadOf("x", Normal(20'000, 0, 1, 1));
  EXPECT_LT(StabilityIndex(then, Normal(5'000, 0, 1, 2)), 0.01);
  EXPECT_GT(StabilityIndex(then, Normal(5'000, 0.7, 1, 3)), 0.25);  // 0.7^2 in the limit of many bins
  EXPECT_GT(StabilityIndex(then, Normal(5'000, 0, 2, 4)), 0.25);
}

TEST(StabilityIndexTest, ClassesHaveABinEach) {
  Answers then{3, {}}, now{3, {}};
  for (int i = 0; i < 100; ++i) {
    const std::vector<float> low = {0.6f, 0.3f, 0.1f}, high = {0.1f, 0.3f, 0.6f};
    then.values.insert(then.values.end(), low.begin(), low.end());
    now.values.insert(now.values.end(), high.begin(), high.end());
  }
  const Spread spread = SpreadOfClasses(then);
  EXPECT_THAT(spread.shares, ElementsAre(1, 0, 0));
  EXPECT_NEAR(StabilityIndexOfClasses(spread, then), 0, 1e-12);
  EXPECT_GT(StabilityIndexOfClasses(spread, now), 1);
}

TEST(ColumnsTest, OfEachFloatInputTheLastRowIsTaken) {
  const std::vector<TensorSpec> inputs = {{"book", DType::kFloat32, {1, 2, 3}}, {"count", DType::kInt64, {1, 2}}};
  EXPECT_THAT(ColumnNames(inputs, {"a", "b", "c"}), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ColumnNames(inputs, {}), ElementsAre("book[0]", "book[1]", "book[2]"));
  const std::vector<float> book = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> count = {7, 8};
  const std::vector<std::span<const std::byte>> values = {std::as_bytes(std::span(book)),
                                                          std::as_bytes(std::span(count))};
  std::vector<double> columns;
  AppendColumns(inputs, values, columns);
  EXPECT_THAT(columns, ElementsAre(4, 5, 6));
}

TEST(ColumnsTest, ThereAreSoManyAtMost) {
  const std::vector<TensorSpec> inputs = {{"a", DType::kFloat32, {1, 200}}, {"b", DType::kFloat32, {1, 200}}};
  EXPECT_THAT(ColumnNames(inputs, {}), SizeIs(kMostColumns));
  const std::vector<float> row(200, 1.0f);
  const std::vector<std::span<const std::byte>> values(2, std::as_bytes(std::span(row)));
  std::vector<double> columns;
  AppendColumns(inputs, values, columns);
  EXPECT_THAT(columns, SizeIs(kMostColumns));
}

TEST(ProfileTest, ReadsBackAsItWas) {
  Profile profile;
  profile.samples = 1234;
  profile.inputs = {SpreadOf("x", Normal(1000, 0, 1, 1)), SpreadOf("constant", std::vector<double>(10, 0.1))};
  profile.answers = {"classes", {}, {0.25, 0.75}};
  profile.model = "abc";
  profile.variants = {{"int8", "native", "def", 0.005, {0.01, 0.005, 0.02}}};
  const auto again = ParseProfile(ProfileJson(profile));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->samples, 1234u);
  ASSERT_THAT(again->inputs, SizeIs(2));
  EXPECT_THAT(again->inputs[0].edges, Pointwise(DoubleEq(), profile.inputs[0].edges));
  EXPECT_NEAR(StabilityIndex(again->inputs[1], std::vector<double>(10, 0.1)), 0, 1e-9);
  EXPECT_EQ(again->answers.shares, profile.answers.shares);
  ASSERT_THAT(again->variants, SizeIs(1));
  EXPECT_EQ(again->model, "abc");
  EXPECT_EQ(again->variants[0].backend, "native");
  EXPECT_EQ(again->variants[0].file, "def");
  EXPECT_EQ(again->variants[0].limit, 0.005);
  EXPECT_EQ(again->variants[0].difference.high, 0.02);
}

TEST(ProfileTest, WhatIsNoneIsRefused) {
  Profile profile;
  profile.inputs = {SpreadOf("x", {1, 2, 3})};
  profile.answers = {"classes", {}, {1}};
  const std::string sound = ProfileJson(profile);
  ASSERT_TRUE(ParseProfile(sound).has_value());
  EXPECT_TRUE(ParseProfile("").has_error());
  EXPECT_TRUE(ParseProfile("[]").has_error());
  EXPECT_TRUE(ParseProfile("{}").has_error());
  EXPECT_TRUE(ParseProfile(sound.substr(0, sound.size() / 2)).has_error());
  profile.answers.shares = {0.5, 0.1};
  EXPECT_TRUE(ParseProfile(ProfileJson(profile)).has_error());
  profile.answers.shares = {2, -1};
  EXPECT_TRUE(ParseProfile(ProfileJson(profile)).has_error());
  profile.answers.shares = {1};
  profile.variants = {{"int8", "native", "", 2, {0, 0, 0}}};
  EXPECT_TRUE(ParseProfile(ProfileJson(profile)).has_error());
  profile.variants = {{"int8", "native", "", 0, {0.5, 0.6, 0.7}}};
  EXPECT_TRUE(ParseProfile(ProfileJson(profile)).has_error());
  profile.variants.clear();
  std::ranges::reverse(profile.inputs[0].edges);
  EXPECT_TRUE(ParseProfile(ProfileJson(profile)).has_error());
  std::ranges::reverse(profile.inputs[0].edges);
  profile.inputs[0].edges.push_back(9);
  EXPECT_TRUE(ParseProfile(ProfileJson(profile)).has_error());
}

}  // namespace
}  // namespace punctual::optimize
