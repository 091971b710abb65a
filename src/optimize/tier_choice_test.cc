#include "optimize/tier_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config_file.h"

namespace punctual::optimize {
namespace {

// One that passed, by its 99th percentile with busy cores; idle, everything is quick.
VariantRun RunOf(const std::string& variant, const std::string& backend, double busy_us) {
  VariantRun run{.variant = variant, .backend = backend};
  run.passed = true;
  run.latency.warm = run.latency.cold = {1, 1, 100};
  run.latency.busy = {busy_us / 2, busy_us, 100};
  return run;
}

// The run that a budget chooses: "int8 by native"; empty: none.
std::string Chosen(double budget_ms, const std::vector<VariantRun>& runs) {
  const auto choices = ChooseForTiers({{"", budget_ms}}, runs);
  if (!choices.at(0).run) return "";
  return runs[*choices[0].run].variant + " by " + runs[*choices[0].run].backend;
}

const std::vector<VariantRun> kRuns = {RunOf("fp32", "native", 4000), RunOf("bf16", "openvino", 2000),
                                       RunOf("int8", "native", 1000), RunOf("student", "native", 10)};

TEST(ChooseForTiersTest, EachTierGetsTheMostFaithfulThatHalfOfItsBudgetHasRoomFor) {
  EXPECT_EQ(Chosen(8, kRuns), "fp32 by native");
  EXPECT_EQ(Chosen(7.9, kRuns), "bf16 by openvino");
  EXPECT_EQ(Chosen(3.9, kRuns), "int8 by native");
  EXPECT_EQ(Chosen(1.9, kRuns), "student by native");
  EXPECT_EQ(Chosen(0.019, kRuns), "");
}

TEST(ChooseForTiersTest, ChoicesStandInTheOrderOfTheTiersWithTheirNames) {
  const auto choices = ChooseForTiers({{"basic", 50}, {"", 1}, {"premium", 3}}, kRuns);
  ASSERT_EQ(choices.size(), 3u);
  EXPECT_EQ(choices[0].tier.name, "basic");
  EXPECT_EQ(choices[0].run, 0u);
  EXPECT_EQ(choices[1].tier.budget_ms, 1);
  EXPECT_EQ(choices[1].run, 3u);
  EXPECT_EQ(choices[2].run, 2u);
}

TEST(ChooseForTiersTest, WhatDidNotPassIsNotChosenThoughItIsQuick) {
  auto runs = kRuns;
  runs[2].passed = false;
  EXPECT_EQ(Chosen(3, runs), "student by native");
  // One backend that fails fails the variant, wherever it is served.
  runs = kRuns;
  runs.push_back(RunOf("bf16", "native", 1));
  runs.back().passed = false;
  EXPECT_EQ(Chosen(5, runs), "int8 by native");
  EXPECT_FALSE(HasRoom(runs, "bf16", 5));
  EXPECT_TRUE(HasRoom(kRuns, "bf16", 5));
  EXPECT_FALSE(HasRoom(kRuns, "bf16", 3));
}

TEST(ChooseForTiersTest, BackendsThatDoNotCountAreNeitherChosenNorInTheWay) {
  auto runs = kRuns;
  runs.push_back({.variant = "fp32", .backend = "openvino", .refusal = "cannot"});
  runs.push_back(RunOf("int8", "openvino", 1));
  runs.back().unlike = true;
  runs.back().passed = false;
  EXPECT_EQ(Chosen(3, runs), "int8 by native");
}

TEST(ChooseForTiersTest, OfOneVariantOnlyTheBackendThatAServerTakesCounts) {
  auto runs = kRuns;
  runs.push_back(RunOf("fp32", "openvino", 5000));
  runs.back().latency.warm.p50_us = 0.5;
  EXPECT_EQ(Chosen(10, runs), "fp32 by openvino");
  EXPECT_EQ(Chosen(9, runs), "bf16 by openvino") << "native has room, but nobody would be answered by it";
  EXPECT_FALSE(HasRoom(runs, "fp32", 9));
  // As quick is not quicker: the first one is taken.
  runs.back().latency.warm.p50_us = 0.97;
  EXPECT_EQ(Chosen(9, runs), "fp32 by native");
  runs.back().latency.warm.p50_us = 0.94;
  EXPECT_EQ(Chosen(9, runs), "bf16 by openvino");
}

TEST(TomlOfTest, LetsATiersUsersAskAModelByName) {
  EXPECT_THAT(TomlOf({{{"premium", 100}, 0, ""}}), ::testing::ElementsAre(""));
  EXPECT_THAT(TomlOf({{{"", 1}, 0, "m-int8"}}).at(0),
              ::testing::StartsWith("[tiers.NAME.models]  # NAME: of a tier that it declares\nSTYLE = \"m-int8\""));
  auto file = ConfigFile::Parse(TomlOf({{{"of \"two\" words", 1}, 0, "m-student"}}).at(0), "punctual.toml");
  ASSERT_TRUE(file.has_value()) << file.error().message;
  std::string model;
  file->root().Table("tiers")->Table("of \"two\" words")->Table("models")->Get("STYLE", model);
  EXPECT_EQ(model, "m-student");
}

// One that is declared leaves none of those that a server has without.
TEST(TomlOfTest, WhereNoTierIsDeclaredAllAre) {
  const Tier premium{"premium", 15, 6}, basic{"basic", 50, 0.5};
  EXPECT_THAT(TomlOf({{premium, 0, ""}, {basic, 0, ""}}), ::testing::ElementsAre("", ""));
  EXPECT_THAT(TomlOf({{premium, 0, "m-int8"}, {basic, 0, ""}}),
              ::testing::ElementsAre("[tiers.premium]\nbudget_ms = 15\nweight = 6\n"
                                     "[tiers.premium.models]\n"
                                     "STYLE = \"m-int8\"  # for each style that picks the model\n",
                                     "[tiers.basic]\nbudget_ms = 50\nweight = 0.5\n"));
}

TEST(LinesOfTest, TiersThatHaveTheSameShareIt) {
  const auto lines = LinesOf({{{"", 1}, 0, "m"}, {{"", 2}, 0, "m"}, {{"", 3}, 1, ""}, {{"a", 4}, 0, "m"}});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(TextOf(lines[0].tiers), "1 ms and 2 ms");
  EXPECT_THAT(lines[0].toml, ::testing::StartsWith("[tiers.NAME.models]"));
  EXPECT_EQ(TextOf(lines[1].tiers), "a (4 ms)");
  EXPECT_EQ(TextOf({{"a", 1}, {"", 2}, {"b", 3}}), "a (1 ms), 2 ms and b (3 ms)");
}

TEST(ChooseForTiersTest, OfNoTiersThereAreNoChoicesAndOfNoRunsNoneIsChosen) {
  EXPECT_TRUE(ChooseForTiers({}, kRuns).empty());
  EXPECT_EQ(Chosen(1e9, {}), "");
}

}  // namespace
}  // namespace punctual::optimize
