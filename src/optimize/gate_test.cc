#include "optimize/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Comparison WithLost(const Estimate& lost) {
  Comparison comparison{.samples = 100, .independent = 100, .confidence = 0.95};
  comparison.classes.emplace();
  comparison.classes->agreement = {.samples = 100, .share = Estimate{0.5, 0.4, 0.6}};
  comparison.classes->accuracy = Accuracy{.samples = 100, .drop = {}, .lost = lost};
  return comparison;
}

GateDecision JudgeDrop(const Comparison& comparison, double limit) {
  return Judge(comparison, limit, "--max-accuracy-drop");
}

TEST(GateTest, TheUpperEndDecides) {
  const Comparison comparison = WithLost({0.004, -0.001, 0.01});
  EXPECT_TRUE(JudgeDrop(comparison, 0.01).passed) << "at the limit is within";
  const GateDecision decision = JudgeDrop(comparison, 0.0075);
  EXPECT_FALSE(decision.passed);
  EXPECT_EQ(
      decision.text,
      "right answers lost 0.400 % of 100 with a label (95 %: -0.100 to 1.000 %) fails --max-accuracy-drop 0.750 % by "
      "0.250 points; it may be good enough, 2.9 times as many samples would tell");
  EXPECT_THAT(JudgeDrop(comparison, 0.004).text, ::testing::EndsWith("by 0.600 points")) << "no number of them";
  EXPECT_THAT(JudgeDrop(comparison, 0.0041).text, ::testing::EndsWith("good enough, many more samples would tell"));
}

TEST(GateTest, WhatIsWorseForCertainIsNotTriedAgain) {
  const GateDecision decision = JudgeDrop(WithLost({0.04, 0.03, 0.05}), 0.01);
  EXPECT_FALSE(decision.passed);
  EXPECT_THAT(decision.text, ::testing::EndsWith("by 4.000 points"));
}

TEST(GateTest, WithoutLabelsDisagreementIsJudged) {
  Comparison comparison = WithLost({});
  comparison.classes->accuracy.reset();
  comparison.classes->agreement.share = Estimate{0.99, 0.98, 0.995};
  EXPECT_TRUE(JudgeDrop(comparison, 0.03).passed);
  EXPECT_FALSE(JudgeDrop(comparison, 0.015).passed);
  EXPECT_THAT(JudgeDrop(comparison, 0.015).text, StartsWith("other classes 1.000 % (95 %: 0.500 to 2.000 %) fails"));
}

TEST(GateTest, SamplesThatAllAgreeSayAsMuchAsThereAreOfThem) {
  Comparison comparison = WithLost({});
  comparison.classes->agreement.share = Estimate{1, 1, 1};
  comparison.classes->accuracy->samples = 50;
  EXPECT_EQ(
      JudgeDrop(comparison, 0.05).text,
      "right answers lost 0.000 % of 50 with a label (95 %: 0.000 to 6.000 %) fails --max-accuracy-drop 5.000 % by "
      "1.000 points; it may be good enough, 1.4 times as many samples would tell");
  comparison.classes->accuracy.reset();
  EXPECT_EQ(JudgeDrop(comparison, 0.03).text,
            "other classes 0.000 % (95 %: 0.000 to 3.000 %) is within --max-accuracy-drop 3.000 %");
  comparison.independent = 10;  // neighbours are nearly the same
  EXPECT_FALSE(JudgeDrop(comparison, 0.03).passed);
}

TEST(GateTest, OfOneNumberTheRelativeDifferenceIsJudged) {
  Comparison comparison{.samples = 9, .confidence = 0.9};
  comparison.numbers = NumberComparison{.relative_difference = {0.01, 0.005, 0.02}};
  EXPECT_THAT(JudgeDrop(comparison, 0.02).text,
              StartsWith("relative difference 1.000 % (90 %: 0.500 to 2.000 %) is within"));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  comparison.numbers->relative_difference = {kInfinity, kInfinity, kInfinity};
  EXPECT_FALSE(JudgeDrop(comparison, 1).passed);
}

TEST(GateTest, ALimitThatIsNoNumberLetsNothingPass) {
  EXPECT_FALSE(JudgeDrop(WithLost({0, 0, 0}), std::nan("")).passed);
}

}  // namespace
}  // namespace punctual::optimize
