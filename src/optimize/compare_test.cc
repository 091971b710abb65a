#include "optimize/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "market/random.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Samples Unlabelled(std::size_t count) {
  Samples samples;
  samples.symbols = {"A", "B"};
  for (std::size_t i = 0; i < count; ++i) {
    samples.time_ns.push_back(static_cast<std::int64_t>(i));
    samples.symbol.push_back(i % 2);
    samples.snapshot.push_back(i / 2);
  }
  return samples;
}
Samples Labelled(std::vector<std::int32_t> labels) {
  Samples samples = Unlabelled(labels.size());
  samples.labels = std::move(labels);
  return samples;
}
std::vector<std::size_t> All(const Samples& samples) {
  std::vector<std::size_t> indices(samples.count());
  std::iota(indices.begin(), indices.end(), 0u);
  return indices;
}
// Of three classes, each certain.
Answers Called(const std::vector<std::size_t>& classes) {
  Answers answers{.width = 3};
  for (const std::size_t of : classes)
    for (std::size_t i = 0; i < 3; ++i) answers.values.push_back(i == of ? 1 : 0);
  return answers;
}
Answers Numbers(std::vector<float> values) { return {.width = 1, .values = std::move(values)}; }

void ExpectExactly(const Estimate& estimate, double value) {
  EXPECT_EQ(estimate.value, value);
  EXPECT_EQ(estimate.low, value);
  EXPECT_EQ(estimate.high, value);
}

TEST(CompareTest, FiguresAreThoseCountedByHand) {
  const Samples samples = Labelled({0, 1, 2, 0, -1, 1});
  const Answers reference = Called({0, 1, 1, 0, 0, 1}), candidate = Called({0, 1, 2, 1, 0, 0});
  const Comparison comparison = Compare(reference, candidate, samples, All(samples)).value();
  EXPECT_EQ(comparison.samples, 6u);
  EXPECT_EQ(comparison.largest_difference, 1);
  EXPECT_NEAR(comparison.mean_difference, 6.0 / 18, 1e-12);  // three differ, in two numbers of three
  ASSERT_TRUE(comparison.classes && !comparison.numbers);
  const ClassComparison& classes = *comparison.classes;
  EXPECT_EQ(classes.agreement.share->value, 0.5);
  EXPECT_NEAR(classes.by_class[0].share->value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(classes.by_class[1].share->value, 1.0 / 3, 1e-12);
  EXPECT_EQ(classes.by_class[2].samples, 0u);
  EXPECT_FALSE(classes.by_class[2].share.has_value()) << "the reference never called it so";
  EXPECT_NEAR(classes.by_symbol[0].share->value, 2.0 / 3, 1e-12);
  EXPECT_NEAR(classes.by_symbol[1].share->value, 1.0 / 3, 1e-12);
  EXPECT_THAT(classes.confusion, ElementsAre(2, 1, 0, 1, 1, 1, 0, 0, 0));
  ASSERT_TRUE(classes.accuracy.has_value());
  EXPECT_EQ(classes.accuracy->samples, 5u);
  EXPECT_NEAR(classes.accuracy->reference.value, 4.0 / 5, 1e-12);
  EXPECT_NEAR(classes.accuracy->candidate.value, 3.0 / 5, 1e-12);
  EXPECT_NEAR(classes.accuracy->drop.value, 1.0 / 5, 1e-12);
  EXPECT_NEAR(classes.accuracy->lost.value, 2.0 / 5, 1e-12) << "one was gained";
  EXPECT_NEAR(*classes.reference_calibration_error, 1.0 / 5, 1e-6);
  EXPECT_NEAR(classes.candidate_calibration_error, 2.0 / 5, 1e-6);
}

TEST(CompareTest, OnlyTheChosenSamplesCount) {
  const Samples samples = Labelled({0, 1, 2, 0});
  const std::vector<std::size_t> second = {1, 3};
  const Comparison comparison = Compare(Called({1, 1}), Called({1, 0}), samples, second).value();
  EXPECT_EQ(comparison.classes->accuracy->reference.value, 0.5);
  EXPECT_EQ(comparison.classes->accuracy->drop.value, -0.5);
  EXPECT_EQ(comparison.classes->accuracy->lost.value, 0) << "what was gained does not count";
  EXPECT_FALSE(comparison.classes->by_symbol[0].share.has_value());
  EXPECT_EQ(comparison.classes->by_symbol[1].samples, 2u);
}

TEST(CompareTest, IdenticalAnswersAgreeForCertain) {
  Random random(1);
  std::vector<std::size_t> calls;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 500; ++i) {
    calls.push_back(random.Below(3));
    labels.push_back(static_cast<std::int32_t>(random.Below(3)));
  }
  const Samples samples = Labelled(labels);
  const Comparison comparison = Compare(Called(calls), Called(calls), samples, All(samples)).value();
  EXPECT_EQ(comparison.largest_difference, 0);
  ExpectExactly(*comparison.classes->agreement.share, 1);
  for (const Agreement& agreement : comparison.classes->by_class) ExpectExactly(*agreement.share, 1);
  for (const Agreement& agreement : comparison.classes->by_symbol) ExpectExactly(*agreement.share, 1);
  ExpectExactly(comparison.classes->accuracy->drop, 0);
  EXPECT_LT(comparison.classes->accuracy->reference.low, comparison.classes->accuracy->reference.high);
}

TEST(CompareTest, TheDropIsPaired) {
  // Both are right half of the time, on the same samples: of their difference nothing is uncertain but the one sample.
  std::vector<std::int32_t> labels;
  std::vector<std::size_t> calls;
  Random random(2);
  for (int i = 0; i < 1000; ++i) {
    labels.push_back(static_cast<std::int32_t>(random.Below(2)));
    calls.push_back(0);
  }
  const Samples samples = Labelled(labels);
  std::vector<std::size_t> others = calls;
  others[500] = 1;
  const Accuracy accuracy = *Compare(Called(calls), Called(others), samples, All(samples))->classes->accuracy;
  EXPECT_LT(accuracy.drop.high - accuracy.drop.low, 0.01);
  EXPECT_GT(accuracy.reference.high - accuracy.reference.low, 0.04);
}

TEST(CompareTest, OneClassAloneIsFine) {
  const Samples samples = Unlabelled(50);
  const Answers answers = Called(std::vector<std::size_t>(50, 2));
  const Comparison comparison = Compare(answers, answers, samples, All(samples)).value();
  ExpectExactly(*comparison.classes->agreement.share, 1);
  EXPECT_EQ(comparison.classes->by_class[2].samples, 50u);
  EXPECT_EQ(comparison.classes->confusion[8], 50u);
  EXPECT_FALSE(comparison.classes->accuracy.has_value());
  EXPECT_FALSE(comparison.classes->reference_calibration_error.has_value());
}

TEST(CompareTest, WithoutLabelsTheReferenceIsTheTruthOfCalibration) {
  const Samples samples = Unlabelled(4);
  const Comparison comparison = Compare(Called({0, 0, 1, 1}), Called({0, 0, 1, 2}), samples, All(samples)).value();
  EXPECT_NEAR(comparison.classes->candidate_calibration_error, 0.25, 1e-6);
}

TEST(CompareTest, OneNumberIsComparedByItsSize) {
  const Samples samples = Unlabelled(4);
  const Comparison comparison = Compare(Numbers({1, 2, 3, 6}), Numbers({1, 2, 3, 7}), samples, All(samples)).value();
  ASSERT_TRUE(comparison.numbers && !comparison.classes);
  EXPECT_NEAR(comparison.numbers->relative_difference.value, 1.0 / 6, 1e-12);  // from 3 they are 2, 1, 0 and 3 away
  EXPECT_NEAR(comparison.numbers->correlation, 17 / std::sqrt(14 * 20.75), 1e-12);
  EXPECT_EQ(comparison.largest_difference, 1);
}

TEST(CompareTest, AConstantReferenceHasNoScale) {
  const Samples samples = Unlabelled(3);
  const auto compare = [&](std::vector<float> candidate) {
    return *Compare(Numbers({0.1f, 0.1f, 0.1f}), Numbers(std::move(candidate)), samples, All(samples))->numbers;
  };
  ExpectExactly(compare({0.1f, 0.1f, 0.1f}).relative_difference, 0);
  EXPECT_EQ(compare({0.1f, 0.1f, 0.1f}).correlation, 1);
  ExpectExactly(compare({0.1f, 0.1f, 0.2f}).relative_difference, std::numeric_limits<double>::infinity());
  EXPECT_EQ(compare({0.1f, 0.1f, 0.2f}).correlation, 0);
}

TEST(CompareTest, WhatCannotBeComparedIsRefused) {
  const Samples samples = Unlabelled(2);
  const auto error = [&](const Answers& reference, const Answers& candidate, const Samples& of) {
    return Compare(reference, candidate, of, All(of)).error().message;
  };
  EXPECT_THAT(error({}, {}, {}), HasSubstr("none to compare"));
  EXPECT_THAT(error(Called({0, 1}), Called({0}), samples), HasSubstr("there are 2 and 1 to 2 samples"));
  EXPECT_THAT(error(Called({0, 1}), Numbers({0, 1}), samples), HasSubstr("have 3 numbers, the candidate's 1"));
  Answers broken = Called({0, 1});
  broken.values[4] = std::nanf("");
  EXPECT_THAT(error(Called({0, 1}), broken, samples), HasSubstr("number 1 of answer 1 of the candidate is not finite"));
  EXPECT_THAT(error(Called({0, 1}), Called({0, 1}), Labelled({0, 3})), HasSubstr("that of sample 1, 3, is no class"));
  EXPECT_THAT(error(Called({0, 1}), Called({0, 1}), Labelled({0, -2})), HasSubstr("that of sample 1, -2"));
  EXPECT_THAT(error(Called({0, 1}), Called({0, 1}), Labelled({-1, -1})), HasSubstr("none of the 2 samples"));
  EXPECT_THAT(error(Numbers({0, 1}), Numbers({0, 1}), Labelled({0, 1})), HasSubstr("one number"));
  const Answers wide{.width = kMostClasses + 1, .values = std::vector<float>(2 * (kMostClasses + 1))};
  EXPECT_THAT(error(wide, wide, samples), HasSubstr("at most 1000"));
}

}  // namespace
}  // namespace punctual::optimize
