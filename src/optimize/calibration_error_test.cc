#include "optimize/calibration_error.h"

#include <gtest/gtest.h>

#include <cmath>

namespace punctual::optimize {
namespace {

TEST(CalibrationErrorTest, IsTheMeanOfWhatIsMissingInEachBin) {
  // Two of confidence 0.9, one of them right; two of 0.6, both right: (2 |0.5 - 0.9| + 2 |1 - 0.6|) / 4.
  const Answers answers{.width = 2, .values = {0.9f, 0.1f, 0.1f, 0.9f, 0.6f, 0.4f, 0.4f, 0.6f}};
  const std::vector<std::int32_t> truth = {0, 0, 0, 1};
  EXPECT_NEAR(CalibrationError(answers, truth, false), 0.4, 1e-6);
  const std::vector<std::int32_t> half_known = {0, Samples::kNoLabel, 0, Samples::kNoLabel};
  EXPECT_NEAR(CalibrationError(answers, half_known, false), (0.1 + 0.4) / 2, 1e-6);
  const std::vector<std::int32_t> unknown(4, Samples::kNoLabel);
  EXPECT_EQ(CalibrationError(answers, unknown, false), 0);
}

TEST(CalibrationErrorTest, OverAndUnderInOneBinMakeUpForEachOther) {
  const Answers answers{.width = 2, .values = {0.5f, 0.5f, 0.5f, 0.5f}};
  const std::vector<std::int32_t> truth = {0, 1};
  EXPECT_NEAR(CalibrationError(answers, truth, false), 0, 1e-6);
}

TEST(CalibrationErrorTest, WhoIsCertainAndRightHasNone) {
  const Answers answers{.width = 3, .values = {0, 1, 0, 1, 0, 0}};
  const std::vector<std::int32_t> truth = {1, 0};
  EXPECT_EQ(CalibrationError(answers, truth, false), 0);
}

TEST(CalibrationErrorTest, ScoresGoThroughSoftmax) {
  const Answers scores{.width = 2, .values = {std::log(9.0f), 0}};  // softmax: 0.9, 0.1
  const std::vector<std::int32_t> truth = {1};
  EXPECT_NEAR(CalibrationError(scores, truth, true), 0.9, 1e-6);
  const Answers large{.width = 2, .values = {1000, 0}};
  EXPECT_NEAR(CalibrationError(large, truth, true), 1, 1e-6);
}

TEST(CalibrationErrorTest, DistributionsAreToldFromScores) {
  EXPECT_TRUE(AreProbabilities({.width = 2, .values = {0.25f, 0.75f, 1, 0}}));
  EXPECT_FALSE(AreProbabilities({.width = 2, .values = {0.25f, 0.75f, 1, 1}}));
  EXPECT_FALSE(AreProbabilities({.width = 2, .values = {-0.5f, 1.5f}}));
}

TEST(CalibrationErrorTest, OfEqualNumbersTheFirstIsTheClass) {
  const std::vector<float> numbers = {0.2f, 0.4f, 0.4f};
  EXPECT_EQ(LargestOf(numbers), 1u);
}

}  // namespace
}  // namespace punctual::optimize
