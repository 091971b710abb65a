#include "optimize/training_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "optimize/students_for_test.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

std::string MessageOf(const TrainingSet& set, Meaning meaning, Code code) {
  const auto checked = CheckTrainingSet(set, meaning);
  EXPECT_TRUE(checked.has_error());
  if (!checked.has_error()) return {};
  EXPECT_EQ(checked.error().code, code);
  return checked.error().message;
}

TEST(TrainingSetTest, ProbabilitiesAreKnownBySummingToOne) {
  EXPECT_EQ(MeaningOf({2, {0.25f, 0.75f, 1, 0}}), Meaning::kProbabilities);
  EXPECT_EQ(MeaningOf({2, {0.25f, 0.75f, 1, 0.1f}}), Meaning::kNumbers);
  EXPECT_EQ(MeaningOf({2, {1.25f, -0.25f}}), Meaning::kNumbers);
  EXPECT_EQ(MeaningOf({1, {1, 1}}), Meaning::kNumbers);
  EXPECT_EQ(MeaningOf({2, {std::numeric_limits<float>::quiet_NaN(), 1}}), Meaning::kNumbers);
}

TEST(TrainingSetTest, IsTakenIfItIsSound) {
  EXPECT_TRUE(CheckTrainingSet(MadeUpSet(kFewestRows, 4, Meaning::kProbabilities, 1), Meaning::kProbabilities));
  EXPECT_TRUE(CheckTrainingSet(MadeUpSet(kFewestRows, 4, Meaning::kNumbers, 1), Meaning::kNumbers));
}

TEST(TrainingSetTest, TooFewSamplesAreRefused) {
  const TrainingSet set = MadeUpSet(kFewestRows - 1, 4, Meaning::kNumbers, 1);
  EXPECT_THAT(MessageOf(set, Meaning::kNumbers, Code::kFailedPrecondition), HasSubstr("99 samples, it takes at least"));
}

TEST(TrainingSetTest, NumbersThatAreNotFiniteAreRefusedWithTheirPlace) {
  TrainingSet set = MadeUpSet(200, 4, Meaning::kNumbers, 1);
  set.y.values[2 * 7 + 1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(MessageOf(set, Meaning::kNumbers, Code::kInvalidArgument), HasSubstr("answers: number 1 of row 7"));
  set.x.values[4 * 5 + 2] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(MessageOf(set, Meaning::kNumbers, Code::kInvalidArgument), HasSubstr("inputs: number 2 of row 5"));
}

TEST(TrainingSetTest, WhatNeverChangesIsRefused) {
  TrainingSet set = MadeUpSet(200, 4, Meaning::kNumbers, 1);
  TrainingSet constant = set;
  std::fill(constant.x.values.begin(), constant.x.values.end(), 3.0f);
  EXPECT_THAT(MessageOf(constant, Meaning::kNumbers, Code::kFailedPrecondition), HasSubstr("inputs are the same"));
  constant = set;
  std::fill(constant.y.values.begin(), constant.y.values.end(), 3.0f);
  EXPECT_THAT(MessageOf(constant, Meaning::kNumbers, Code::kFailedPrecondition), HasSubstr("the same answer to all"));
}

TEST(TrainingSetTest, AModelThatPrefersOneClassIsRefused) {
  TrainingSet set = MadeUpSet(200, 4, Meaning::kProbabilities, 1);
  for (std::size_t i = 0; i < set.y.count(); ++i) {
    const float rest = static_cast<float>(i % 7) * 0.01f;
    set.y.values[3 * i] = rest;
    set.y.values[3 * i + 1] = 1 - 2 * rest;
    set.y.values[3 * i + 2] = rest;
  }
  EXPECT_THAT(MessageOf(set, Meaning::kProbabilities, Code::kFailedPrecondition), HasSubstr("prefers class 1 in all"));
  set.y.values[0] = 1, set.y.values[1] = 0, set.y.values[2] = 0;
  EXPECT_TRUE(CheckTrainingSet(set, Meaning::kProbabilities));
}

TEST(TrainingSetTest, RowsWithoutAnswersAreRefused) {
  TrainingSet set = MadeUpSet(200, 4, Meaning::kNumbers, 1);
  set.y.values.resize(set.y.values.size() - 2);
  EXPECT_THAT(MessageOf(set, Meaning::kNumbers, Code::kInvalidArgument), HasSubstr("200 questions and 199 answers"));
}

TEST(TrainingSetTest, TheLossOfProbabilitiesIsTheirDivergence) {
  const Answers right{2, {0.5f, 0.5f, 1, 0}}, answers{2, {0.25f, 0.75f, 0.5f, 0.5f}};
  const std::vector<float> scale = {1, 1};
  const double expected = (0.5 * std::log(2.0) + 0.5 * std::log(0.5 / 0.75) + std::log(2.0)) / 2;
  EXPECT_NEAR(MeanLoss(answers, right, Meaning::kProbabilities, scale), expected, 1e-7);
  EXPECT_EQ(MeanLoss(right, right, Meaning::kProbabilities, scale), 0);
}

TEST(TrainingSetTest, TheLossOfNumbersIsInTheirDeviations) {
  const Answers right{2, {1, 100, 2, 200}}, answers{2, {2, 110, 2, 200}};
  const std::vector<float> scale = {1, 10};
  EXPECT_NEAR(MeanLoss(answers, right, Meaning::kNumbers, scale), (0.5 + 0.5) / 2, 1e-7);
}

TEST(TrainingSetTest, DeviationOfAConstantColumnIsOne) {
  const Moments moments = MomentsOf(Rows{2, {1, 0.1f, 3, 0.1f, 5, 0.1f}});
  EXPECT_FLOAT_EQ(moments.mean[0], 3);
  EXPECT_FLOAT_EQ(moments.deviation[0], std::sqrt(8.0f / 3));
  EXPECT_FLOAT_EQ(moments.mean[1], 0.1f);
  EXPECT_EQ(moments.deviation[1], 1);
}

TEST(TrainingSetTest, SoftmaxTakesLargeScores) {
  std::vector<float> scores = {1000, 1000, -1000};
  Softmax(scores);
  EXPECT_THAT(scores, ::testing::ElementsAre(0.5f, 0.5f, 0));
}

}  // namespace
}  // namespace punctual::optimize
