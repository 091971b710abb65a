#include "optimize/mlp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "optimize/student_file.h"
#include "optimize/students_for_test.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kWidth = 5;

Mlp Trained(const TrainingSet& fit, Meaning meaning, const MlpOptions& options) {
  const TrainingSet search = MadeUpSet(400, kWidth, meaning, 2);
  auto mlp = TrainMlp(fit, search, meaning, options);
  EXPECT_FALSE(mlp.has_error()) << mlp.error().message;
  return std::move(mlp).value();
}

class MlpTest : public ::testing::TestWithParam<Meaning> {};

TEST_P(MlpTest, FilesGiveItsOwnAnswers) {
  TrainingSet fit = MadeUpSet(600, kWidth, GetParam(), 1);
  for (std::size_t i = 0; i < fit.x.count(); ++i) fit.x.values[i * kWidth + 2] += 300;  // far from 0
  for (const auto& hidden : std::vector<std::vector<std::size_t>>{{7}, {16, 9}}) {
    const Mlp mlp = Trained(fit, GetParam(), {.hidden = hidden, .epochs = 3});
    const Answers expected = mlp.Predict(fit.x);
    const auto onnx = WriteMlp(mlp, TensorView(kWidth), OutputOf(static_cast<std::int64_t>(fit.y.width)));
    ASSERT_FALSE(onnx.has_error()) << onnx.error().message;
    const Answers got = AnswersOfFile(*onnx, fit.x);
    ASSERT_EQ(got.values.size(), expected.values.size());
    // Sums of some hundreds in another order, with products fused or not.
    for (std::size_t i = 0; i < got.values.size(); ++i)
      ASSERT_NEAR(got.values[i], expected.values[i], 1e-4f * (1 + std::abs(expected.values[i]))) << "number " << i;
  }
}

TEST_P(MlpTest, LearnsWhatItIsTold) {
  const TrainingSet fit = MadeUpSet(3000, kWidth, GetParam(), 1), unseen = MadeUpSet(500, kWidth, GetParam(), 3);
  const Mlp mlp = Trained(fit, GetParam(), {.hidden = {32, 16}, .epochs = 30});
  const Moments moments = MomentsOf(unseen.y);
  Answers mean{unseen.y.width, {}};
  for (std::size_t i = 0; i < unseen.y.count(); ++i)
    mean.values.insert(mean.values.end(), moments.mean.begin(), moments.mean.end());
  EXPECT_LT(MeanLoss(mlp.Predict(unseen.x), unseen.y, GetParam(), moments.deviation),
            0.05 * MeanLoss(mean, unseen.y, GetParam(), moments.deviation));
}

TEST_P(MlpTest, OneSeedGivesTheSameWeightsAndAnotherDoesNot) {
  const TrainingSet fit = MadeUpSet(600, kWidth, GetParam(), 1);
  const Mlp one = Trained(fit, GetParam(), {.hidden = {8}, .epochs = 2});
  const Mlp same = Trained(fit, GetParam(), {.hidden = {8}, .epochs = 2});
  const Mlp other = Trained(fit, GetParam(), {.hidden = {8}, .epochs = 2, .seed = 2});
  EXPECT_EQ(one.layers[0].weights, same.layers[0].weights);
  EXPECT_EQ(one.layers[1].bias, same.layers[1].bias);
  EXPECT_NE(one.layers[0].weights, other.layers[0].weights);
}

TEST_P(MlpTest, InputsThatWereConstantSayNothing) {
  TrainingSet fit = MadeUpSet(600, kWidth, GetParam(), 1);
  for (std::size_t i = 0; i < fit.x.count(); ++i) fit.x.values[i * kWidth + 4] = 5;
  const Mlp mlp = Trained(fit, GetParam(), {.hidden = {8}, .epochs = 2});
  Rows rows = fit.x;
  for (std::size_t i = 0; i < rows.count(); ++i) rows.values[i * kWidth + 4] = 1e6f;
  EXPECT_EQ(mlp.Predict(fit.x).values, mlp.Predict(rows).values);
}

INSTANTIATE_TEST_SUITE_P(Meanings, MlpTest, ::testing::Values(Meaning::kProbabilities, Meaning::kNumbers),
                         [](const auto& kind) {
                           return kind.param == Meaning::kNumbers ? "Numbers" : "Probabilities";
                         });

TEST(MlpOptionsTest, OutOfRangeAreRefused) {
  const TrainingSet set = MadeUpSet(200, kWidth, Meaning::kNumbers, 1);
  const auto refusal = [&](const MlpOptions& options) {
    return TrainMlp(set, set, Meaning::kNumbers, options).error().message;
  };
  EXPECT_THAT(refusal({.hidden = {}}), HasSubstr("hidden"));
  EXPECT_THAT(refusal({.hidden = {4, 4, 4}}), HasSubstr("hidden"));
  EXPECT_THAT(refusal({.hidden = {2000}}), HasSubstr("hidden"));
  EXPECT_THAT(refusal({.epochs = 0}), HasSubstr("epochs"));
  EXPECT_THAT(refusal({.batch = 0}), HasSubstr("batch"));
  EXPECT_THAT(refusal({.learning_rate = 2}), HasSubstr("learning_rate"));
  EXPECT_THAT(refusal({.weight_decay = 1}), HasSubstr("weight_decay"));
  EXPECT_THAT(TrainMlp(set, {}, Meaning::kNumbers, {}).error().message, HasSubstr("nothing to watch"));
}

TEST(MlpOptionsTest, OneThatBeginsHasTheSizeOfOneThatIsTrained) {
  const Mlp mlp = BeginMlp(kWidth, 3, Meaning::kProbabilities, {.hidden = {6, 4}}).value();
  ASSERT_EQ(mlp.layers.size(), 3u);
  EXPECT_EQ(mlp.layers[0].weights.size(), kWidth * 6);
  EXPECT_EQ(mlp.layers[2].outputs, 3u);
}

}  // namespace
}  // namespace punctual::optimize
