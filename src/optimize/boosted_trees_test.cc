#include "optimize/boosted_trees.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optimize/student_file.h"
#include "optimize/students_for_test.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kWidth = 5;

struct Kind {
  Meaning meaning;
  std::size_t numbers;
};

BoostedTrees TrainedTrees(const Kind& kind, const BoostedTreesOptions& options) {
  const TrainingSet fit = MadeUpSet(1500, kWidth, kind.meaning, 1, kind.numbers);
  const TrainingSet search = MadeUpSet(400, kWidth, kind.meaning, 2, kind.numbers);
  auto trees = BoostedTrees::Train(fit, search, kind.meaning, options);
  EXPECT_FALSE(trees.has_error()) << trees.error().message;
  return std::move(trees).value();
}

// Rows at which trees may go astray: numbers just at thresholds, the floats before and after them, and missing ones.
Rows RowsAtThresholds(const Forest& forest) {
  std::vector<std::vector<float>> thresholds(kWidth);
  for (const Tree& tree : forest.trees)
    for (const TreeNode& node : tree.nodes)
      if (!node.is_leaf) thresholds[node.feature].push_back(node.value);
  Random random(7);
  Rows rows{kWidth, {}};
  for (std::size_t i = 0; i < 300 * kWidth; ++i) {
    const auto& of = thresholds[i % kWidth];
    const float at = of.empty() ? 0 : of[random.Below(of.size())];
    const float infinite = std::numeric_limits<float>::infinity();
    switch (random.Below(5)) {
      case 0: rows.values.push_back(at); break;
      case 1: rows.values.push_back(std::nextafter(at, infinite)); break;
      case 2: rows.values.push_back(std::nextafter(at, -infinite)); break;
      case 3: rows.values.push_back(std::numeric_limits<float>::quiet_NaN()); break;
      default: rows.values.push_back(static_cast<float>(random.Normal()));
    }
  }
  return rows;
}

class BoostedTreesTest : public ::testing::TestWithParam<Kind> {};

TEST_P(BoostedTreesTest, FilesGiveXgboostsOwnPredictions) {
  const BoostedTrees trees = TrainedTrees(GetParam(), {.depth = 5, .rounds = 60});
  for (const int rounds : {1, trees.best_rounds() / 2, trees.best_rounds()}) {
    const Forest forest = trees.Take(rounds).value();
    ASSERT_EQ(forest.trees.size(), static_cast<std::size_t>(rounds) * GetParam().numbers);
    const Rows rows = RowsAtThresholds(forest);
    const Answers expected = trees.Predict(rows, rounds).value();
    const auto onnx = WriteForest(forest, TensorView(kWidth), OutputOf(static_cast<std::int64_t>(GetParam().numbers)));
    ASSERT_FALSE(onnx.has_error()) << onnx.error().message;
    const Answers got = AnswersOfFile(*onnx, rows);
    ASSERT_EQ(got.values.size(), expected.values.size());
    // One wrong turn would be seen: leaves differ by far more than sums of them in another order do.
    for (std::size_t i = 0; i < got.values.size(); ++i)
      ASSERT_NEAR(got.values[i], expected.values[i], 2e-6f * (1 + std::abs(expected.values[i]))) << "number " << i;
  }
}

TEST_P(BoostedTreesTest, LearnWhatTheyAreTold) {
  const Kind kind = GetParam();
  const BoostedTrees trees = TrainedTrees(kind, {.depth = 4, .rounds = 150});
  const TrainingSet unseen = MadeUpSet(500, kWidth, kind.meaning, 3, kind.numbers);
  const Moments moments = MomentsOf(unseen.y);
  Answers mean{unseen.y.width, {}};
  for (std::size_t i = 0; i < unseen.y.count(); ++i)
    mean.values.insert(mean.values.end(), moments.mean.begin(), moments.mean.end());
  const Answers answers = trees.Predict(unseen.x, trees.best_rounds()).value();
  const double loss = MeanLoss(answers, unseen.y, kind.meaning, moments.deviation);
  EXPECT_LT(loss, 0.2 * MeanLoss(mean, unseen.y, kind.meaning, moments.deviation));
}

TEST_P(BoostedTreesTest, OneSeedGivesTheSameTrees) {
  const BoostedTreesOptions options = {.depth = 3, .rounds = 20};
  const Forest one = TrainedTrees(GetParam(), options).Take(10).value();
  const Forest other = TrainedTrees(GetParam(), options).Take(10).value();
  ASSERT_EQ(one.trees.size(), other.trees.size());
  for (std::size_t i = 0; i < one.trees.size(); ++i) {
    ASSERT_EQ(one.trees[i].nodes.size(), other.trees[i].nodes.size());
    for (std::size_t at = 0; at < one.trees[i].nodes.size(); ++at)
      ASSERT_EQ(one.trees[i].nodes[at].value, other.trees[i].nodes[at].value);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, BoostedTreesTest,
                         ::testing::Values(Kind{Meaning::kProbabilities, 3}, Kind{Meaning::kNumbers, 1},
                                           Kind{Meaning::kNumbers, 2}),
                         [](const auto& kind) {
                           return (kind.param.meaning == Meaning::kNumbers ? "Numbers" : "Probabilities") +
                                  std::to_string(kind.param.numbers);
                         });

TEST(BoostedTreesStopTest, TrainingStopsWhereMoreDoesNotHelp) {
  TrainingSet fit = MadeUpSet(200, kWidth, Meaning::kNumbers, 1, 1);
  Random random(5);
  for (float& value : fit.y.values) value = static_cast<float>(random.Normal());  // nothing to learn
  const TrainingSet search = MadeUpSet(200, kWidth, Meaning::kNumbers, 2, 1);
  const auto trees = BoostedTrees::Train(fit, search, Meaning::kNumbers, {.depth = 4, .rounds = 400, .patience = 10});
  ASSERT_FALSE(trees.has_error()) << trees.error().message;
  EXPECT_LT(trees->best_rounds(), 100);
}

TEST(BoostedTreesStopTest, OptionsOutOfRangeAreRefused) {
  const TrainingSet set = MadeUpSet(200, kWidth, Meaning::kNumbers, 1);
  const auto refusal = [&](const BoostedTreesOptions& options) {
    return BoostedTrees::Train(set, set, Meaning::kNumbers, options).error().message;
  };
  EXPECT_THAT(refusal({.depth = 0}), HasSubstr("depth"));
  EXPECT_THAT(refusal({.rounds = 0}), HasSubstr("rounds"));
  EXPECT_THAT(refusal({.learning_rate = 0}), HasSubstr("learning_rate"));
  EXPECT_THAT(refusal({.least_weight = -1}), HasSubstr("least_weight"));
  EXPECT_THAT(refusal({.patience = 0}), HasSubstr("patience"));
  EXPECT_THAT(BoostedTrees::Train(set, {}, Meaning::kNumbers, {}).error().message, HasSubstr("nothing to watch"));
}

}  // namespace
}  // namespace punctual::optimize
