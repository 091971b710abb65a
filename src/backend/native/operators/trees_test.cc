#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "backend/native/operators/operator_under_test.h"
#include "backend/native/operators/tree_post_transform.h"

namespace punctual::native {
namespace {

using test::Numbers;
using ::testing::HasSubstr;

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;
using Strings = std::vector<std::string>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> ValuesOf(const test::Given& given) {
  const auto values = given->values<T>();
  return {values.begin(), values.end()};
}

// An ensemble as a file has it, column by column.
struct Columns {
  Ints trees, nodes, features, if_true, if_false, missing;
  Strings modes;
  Floats values;
  Ints weight_trees, weight_nodes, weight_ids;
  Floats weights;

  void Branch(std::int64_t tree, std::int64_t node, const char* mode, std::int64_t feature, float value,
              std::int64_t at_true, std::int64_t at_false, bool missing_is_true = false) {
    trees.push_back(tree), nodes.push_back(node), features.push_back(feature), modes.emplace_back(mode);
    values.push_back(value), if_true.push_back(at_true), if_false.push_back(at_false);
    missing.push_back(missing_is_true);
  }
  void Leaf(std::int64_t tree, std::int64_t node) { Branch(tree, node, "LEAF", 0, 0, 0, 0); }
  void Weight(std::int64_t tree, std::int64_t node, std::int64_t id, float weight) {
    weight_trees.push_back(tree), weight_nodes.push_back(node), weight_ids.push_back(id), weights.push_back(weight);
  }
  void Leaf(std::int64_t tree, std::int64_t node, std::int64_t id, float weight) {
    Leaf(tree, node);
    Weight(tree, node, id, weight);
  }
  // One branch, one leaf either side: low where the comparison holds.
  void Stump(std::int64_t tree, const char* mode, std::int64_t feature, float value, std::int64_t id, float low,
             float high, bool missing_is_true = false) {
    Branch(tree, 0, mode, feature, value, 1, 2, missing_is_true);
    Leaf(tree, 1, id, low);
    Leaf(tree, 2, id, high);
  }

  Attributes Of(const std::string& prefix, Attributes more = {}) const {
    more["nodes_treeids"] = trees;
    more["nodes_nodeids"] = nodes;
    more["nodes_featureids"] = features;
    more["nodes_modes"] = modes;
    more["nodes_values"] = values;
    more["nodes_truenodeids"] = if_true;
    more["nodes_falsenodeids"] = if_false;
    more["nodes_missing_value_tracks_true"] = missing;
    more[prefix + "_treeids"] = weight_trees;
    more[prefix + "_nodeids"] = weight_nodes;
    more[prefix + "_ids"] = weight_ids;
    more[prefix + "_weights"] = weights;
    return more;
  }
};

Result<std::vector<test::Given>> Regress(const Columns& columns, const test::Given& x, Attributes more = {}) {
  return test::OperatorUnderTest{.type = "TreeEnsembleRegressor",
                                 .opset = 3,
                                 .domain = "ai.onnx.ml",
                                 .attributes = columns.Of("target", std::move(more))}
      .Run({x});
}

Result<std::vector<test::Given>> Classify(const Columns& columns, const test::Given& x, Attributes more = {}) {
  more.emplace("classlabels_int64s", Ints{10, 20});
  return test::OperatorUnderTest{.type = "TreeEnsembleClassifier",
                                 .opset = 1,
                                 .domain = "ai.onnx.ml",
                                 .attributes = columns.Of("class", std::move(more)),
                                 .outputs = 2}
      .Run({x});
}

TEST(TreeEnsembleTest, ComparesAsItsModesSay) {
  const auto x = Numbers<float>({4, 1}, {1, 2, 3, kNan});
  const auto leaves = [&](const char* mode, bool missing_is_true) {
    Columns columns;
    columns.Stump(0, mode, 0, 2, 0, 1, 0, missing_is_true);
    return ValuesOf<float>(Regress(columns, x).value()[0]);
  };
  EXPECT_EQ(leaves("BRANCH_LEQ", false), (Floats{1, 1, 0, 0}));
  EXPECT_EQ(leaves("BRANCH_LT", false), (Floats{1, 0, 0, 0}));
  EXPECT_EQ(leaves("BRANCH_GTE", false), (Floats{0, 1, 1, 0}));
  EXPECT_EQ(leaves("BRANCH_GT", false), (Floats{0, 0, 1, 0}));
  EXPECT_EQ(leaves("BRANCH_EQ", false), (Floats{0, 1, 0, 0}));
  EXPECT_EQ(leaves("BRANCH_NEQ", false), (Floats{1, 0, 1, 1}));
  for (const char* const mode : {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"})
    EXPECT_EQ(leaves(mode, true)[3], 1) << mode;
}

// Trees of all shapes; what they say is summed by a walk that is as plain as can be, in the order of tree_scores.h.
TEST(TreeEnsembleTest, SumsEqualAPlainWalksBitForBit) {
  std::mt19937 random(3);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  for (const char* const mode : {"BRANCH_LEQ", "BRANCH_GTE", "mixed"})
    for (const int trees : {1, 40, 250}) {
      Columns columns;
      struct Walk {
        std::size_t depth;
        std::function<float(const float*)> of;
      };
      std::vector<Walk> walks;
      for (int tree = 0; tree < trees; ++tree) {
        std::int64_t nodes = 0;
        std::function<Walk(int)> grow = [&](int levels) -> Walk {
          const std::int64_t number = nodes++;
          if (levels == 0 || any(0, 5) == 0) {
            const float weight = static_cast<float>(any(-1000, 1000)) / 997;
            columns.Leaf(tree, number, 0, weight);
            return {0, [weight](const float*) { return weight; }};
          }
          const std::string own = mode == std::string("mixed") ? (any(0, 1) != 0 ? "BRANCH_LT" : "BRANCH_GT") : mode;
          const int feature = any(0, 4);
          const auto value = static_cast<float>(any(-4, 4));
          const std::size_t at = columns.trees.size();
          columns.Branch(tree, number, own.c_str(), feature, value, number + 1, 0);
          const Walk low = grow(levels - 1);
          columns.if_false[at] = nodes;
          const Walk high = grow(levels - 1);
          return {std::max(low.depth, high.depth) + 1, [=](const float* x) {
                    const float v = x[feature];
                    const bool holds = own == "BRANCH_LEQ"   ? v <= value
                                       : own == "BRANCH_LT"  ? v < value
                                       : own == "BRANCH_GTE" ? v >= value
                                                             : v > value;
                    return holds ? low.of(x) : high.of(x);
                  }};
        };
        walks.push_back(grow(any(0, 7)));
      }
      std::stable_sort(walks.begin(), walks.end(), [](const Walk& a, const Walk& b) { return a.depth < b.depth; });
      Floats x(20 * 5);
      for (float& number : x) number = static_cast<float>(any(-10, 10)) / 2;
      const auto y =
          ValuesOf<float>(Regress(columns, Numbers<float>({20, 5}, x), {{"base_values", Floats{0.3f}}}).value()[0]);
      for (std::size_t row = 0; row < 20; ++row) {
        std::array<float, 16> sums{};
        for (std::size_t i = 0; i < walks.size(); ++i) sums[i % 16] += walks[i].of(&x[row * 5]);
        for (const std::size_t apart : {8u, 4u, 2u, 1u})
          for (std::size_t i = 0; i < apart; ++i) sums[i] += sums[i + apart];
        ASSERT_EQ(y[row], sums[0] + 0.3f) << mode << ", " << trees << " trees";
      }
    }
}

TEST(TreeEnsembleTest, AggregatesByTarget) {
  Columns columns;
  columns.Stump(0, "BRANCH_LEQ", 0, 0, 1, 4, 8);
  columns.Stump(1, "BRANCH_LEQ", 0, 0, 0, 1, 2);
  columns.Stump(2, "BRANCH_LEQ", 1, 0, 1, -6, 6);
  const auto x = Numbers<float>({2, 2}, {-1, 1, 1, -1});
  const auto run = [&](const char* aggregate, const Columns& of) {
    return ValuesOf<float>(Regress(of, x,
                                   {{"n_targets", std::int64_t{3}},
                                    {"aggregate_function", std::string(aggregate)},
                                    {"base_values", Floats{0.5f, 0, 7}}})
                               .value()[0]);
  };
  EXPECT_EQ(run("SUM", columns), (Floats{1.5f, 10, 7, 2.5f, 2, 7}));
  EXPECT_EQ(run("AVERAGE", columns), (Floats{1 / 3.0f + 0.5f, 10 / 3.0f, 7, 2 / 3.0f + 0.5f, 2 / 3.0f, 7}));
  EXPECT_EQ(run("MIN", columns), (Floats{1.5f, 4, 7, 2.5f, -6, 7}));
  EXPECT_EQ(run("MAX", columns), (Floats{1.5f, 6, 7, 2.5f, 8, 7}));
  // A leaf that speaks of two targets, as forests have them.
  columns.Weight(0, 1, 0, 100);
  EXPECT_EQ(run("SUM", columns), (Floats{101.5f, 10, 7, 2.5f, 2, 7}));
  EXPECT_EQ(run("MIN", columns), (Floats{1.5f, 4, 7, 2.5f, -6, 7}));
  EXPECT_EQ(run("MAX", columns), (Floats{100.5f, 6, 7, 2.5f, 8, 7}));
}

TEST(TreeEnsembleTest, ClassifiersGiveTheClassWithTheHighestScore) {
  Columns columns;
  columns.Stump(0, "BRANCH_LEQ", 0, 0, 0, 3, 0);
  columns.Stump(1, "BRANCH_LEQ", 0, 1, 1, 0, 2);
  columns.Stump(2, "BRANCH_LEQ", 0, 2, 2, 0, 5);
  const auto x = Numbers<float>({3, 1}, {-1, 1.5, 9});
  const auto of = [&](const char* transform) {
    return Classify(columns, x, {{"classlabels_int64s", Ints{7, 8, 9}}, {"post_transform", std::string(transform)}})
        .value();
  };
  EXPECT_EQ(ValuesOf<std::int64_t>(of("NONE")[0]), (Ints{7, 8, 9}));
  EXPECT_EQ(ValuesOf<float>(of("NONE")[1]), (Floats{3, 0, 0, 0, 2, 0, 0, 2, 5}));
  const auto shares = ValuesOf<float>(of("SOFTMAX")[1]);
  EXPECT_FLOAT_EQ(shares[0], std::exp(3.0f) / (std::exp(3.0f) + 2));
  EXPECT_FLOAT_EQ(shares[8], std::exp(5.0f) / (1 + std::exp(2.0f) + std::exp(5.0f)));
}

TEST(TreeEnsembleTest, OneScoreOfTwoClassesBecomesTwo) {
  const auto x = Numbers<float>({2, 1}, {-1, 1});
  for (const std::int64_t id : {0, 1}) {
    Columns margins;
    margins.Stump(0, "BRANCH_LT", 0, 0, id, -0.25f, 0.25f);
    auto result = Classify(margins, x).value();
    EXPECT_EQ(ValuesOf<std::int64_t>(result[0]), (Ints{10, 20}));
    EXPECT_EQ(ValuesOf<float>(result[1]), (Floats{0.25f, -0.25f, -0.25f, 0.25f}));
    result = Classify(margins, x, {{"post_transform", std::string("LOGISTIC")}}).value();
    EXPECT_EQ(ValuesOf<std::int64_t>(result[0]), (Ints{10, 20}));
    EXPECT_FLOAT_EQ(ValuesOf<float>(result[1])[0], 1 / (1 + std::exp(-0.25f)));
    EXPECT_FLOAT_EQ(ValuesOf<float>(result[1])[1], 1 / (1 + std::exp(0.25f)));
    Columns shares;
    shares.Stump(0, "BRANCH_LT", 0, 0, id, 0.25f, 0.75f);
    result = Classify(shares, x).value();
    EXPECT_EQ(ValuesOf<std::int64_t>(result[0]), (Ints{10, 20}));
    EXPECT_EQ(ValuesOf<float>(result[1]), (Floats{0.75f, 0.25f, 0.25f, 0.75f}));
  }
}

TEST(TreeEnsembleTest, PostTransformsAreThoseOfOnnx) {
  const auto applied = [](const char* name, Floats scores) {
    Apply(PostTransformOf(name).value(), scores);
    return scores;
  };
  EXPECT_FLOAT_EQ(applied("LOGISTIC", {-200})[0], 0);
  EXPECT_FLOAT_EQ(applied("LOGISTIC", {200})[0], 1);
  const Floats kept = applied("SOFTMAX_ZERO", {1, 0, 2});
  const float sum = std::exp(-1.0f) + 1;
  EXPECT_FLOAT_EQ(kept[0], std::exp(-1.0f) / sum);
  EXPECT_EQ(kept[1], 0);
  EXPECT_FLOAT_EQ(kept[2], 1 / sum);
  for (const float p : {1e-20f, 0.001f, 0.3f, 0.5f, 0.8f, 0.9999f}) {
    const double x = applied("PROBIT", {p})[0];
    EXPECT_NEAR(0.5 * std::erfc(-x / std::sqrt(2.0)), p, 1e-5 * p);
  }
  EXPECT_EQ(applied("PROBIT", {0})[0], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(applied("PROBIT", {1.5f})[0]));
}

TEST(TreeEnsembleTest, WhatIsNoForestIsRefused) {
  const auto x = Numbers<float>({1, 2}, {0, 0});
  const auto message = [&](const std::function<void(Columns&)>& spoil) {
    Columns columns;
    columns.Stump(0, "BRANCH_LEQ", 0, 0, 0, 1, 2);
    columns.Stump(1, "BRANCH_LEQ", 1, 0, 0, 1, 2);
    spoil(columns);
    const auto result = Regress(columns, x);
    return result.has_error() ? result.error().message : "";
  };
  EXPECT_EQ(message([](Columns&) {}), "");
  EXPECT_THAT(message([](Columns& c) { c.features[0] = 2; }), HasSubstr("feature 2 of 2"));
  EXPECT_THAT(message([](Columns& c) { c.features[0] = -1; }), HasSubstr("feature -1"));
  EXPECT_THAT(message([](Columns& c) { c.modes[0] = "BRANCH"; }), HasSubstr("no mode"));
  EXPECT_THAT(message([](Columns& c) { c.values[0] = kNan; }), HasSubstr("NaN"));
  EXPECT_THAT(message([](Columns& c) { c.values.pop_back(); }), HasSubstr("as many entries"));
  EXPECT_THAT(message([](Columns& c) { c.if_true.pop_back(); }), HasSubstr("as many entries"));
  EXPECT_THAT(message([](Columns& c) { c.nodes[2] = 1; }), HasSubstr("there twice"));
  EXPECT_THAT(message([](Columns& c) { c.if_true[0] = 5; }), HasSubstr("child 5"));
  EXPECT_THAT(message([](Columns& c) { c.if_true[0] = 2; }), HasSubstr("child of two"));
  EXPECT_THAT(message([](Columns& c) { c.if_true[0] = 0; }),
              ::testing::AnyOf(HasSubstr("two roots"), HasSubstr("circle")));
  EXPECT_THAT(message([](Columns& c) { c.Leaf(1, 7); }), HasSubstr("two roots"));
  EXPECT_THAT(message([](Columns& c) {
                c.Branch(1, 7, "BRANCH_LEQ", 0, 0, 8, 9);
                c.Branch(1, 8, "BRANCH_LEQ", 0, 0, 7, 10);
                c.Leaf(1, 9), c.Leaf(1, 10);
              }),
              HasSubstr("circle"));
  EXPECT_THAT(message([](Columns& c) { c.weight_ids[0] = 1; }), HasSubstr("target_ids"));
  EXPECT_THAT(message([](Columns& c) { c.weight_nodes[0] = 0; }), HasSubstr("no leaf"));
  EXPECT_THAT(message([](Columns& c) { c.weights[0] = kNan; }), HasSubstr("not finite"));
  EXPECT_THAT(message([](Columns& c) {
                for (std::int64_t i = 0; i < 1100; ++i) {
                  c.Branch(2, 2 * i, "BRANCH_LEQ", 0, 0, 2 * i + 1, 2 * i + 2);
                  c.Leaf(2, 2 * i + 1);
                }
                c.Leaf(2, 2200);
              }),
              HasSubstr("deeper"));
}

TEST(TreeEnsembleTest, LabelsThatAreStringsAreRefused) {
  Columns columns;
  columns.Stump(0, "BRANCH_LEQ", 0, 0, 0, 1, 2);
  const auto result = Classify(columns, Numbers<float>({1, 1}, {0}), {{"classlabels_strings", Strings{"buy", "sell"}}});
  EXPECT_EQ(result.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(result.error().message, HasSubstr("strings are not supported"));
}

}  // namespace
}  // namespace punctual::native
