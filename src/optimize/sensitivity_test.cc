#include "optimize/sensitivity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "optimize/onnx_file.h"
#include "support/random_onnx_graph.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Layers a, b, c, d, one after the other; b has the most weights.
std::string FourLayers() {
  RandomOnnxGraph graph("four");
  std::string at = graph.Input("x", {4});
  const auto layer = [&](const std::string& name, std::int64_t from, std::int64_t to) {
    at = graph.Add("MatMul", {at, graph.Weights({from, to}, from)}, {}, {name + "_out"});
    graph.graph().mutable_node(graph.graph().node_size() - 1)->set_name(name);
  };
  layer("a", 4, 8);
  layer("b", 8, 8);
  layer("c", 8, 2);
  layer("d", 2, 3);
  graph.Output("d_out", {3});
  return graph.Bytes();
}

const ValueRanges kRanges = {{"x", {-1, 1}}, {"a_out", {-1, 1}}, {"b_out", {-1, 1}}, {"c_out", {-1, 1}}};

// Of a file: 1 less what each layer with codes costs, and less what some of them cost together.
class CostOfLayers {
 public:
  explicit CostOfLayers(std::map<std::string, double> costs, std::map<std::set<std::string>, double> together = {})
      : costs_(std::move(costs)), together_(std::move(together)) {}
  Result<double> operator()(std::string_view onnx) const {
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())));
    std::set<std::string> codes, layers;
    for (const onnx::NodeProto& node : model.graph().node()) {
      if (node.op_type() == "DequantizeLinear") codes.insert(node.output(0));
      if (Is(node, "MatMul") && codes.contains(node.input(1))) layers.insert(node.name());
    }
    double fidelity = 1;
    for (const std::string& layer : layers) fidelity -= costs_.at(layer);
    for (const auto& [some, cost] : together_)
      if (std::ranges::includes(layers, some)) fidelity -= cost;
    return fidelity;
  }

 private:
  std::map<std::string, double> costs_;
  std::map<std::set<std::string>, double> together_;
};

const std::map<std::string, double> kCosts = {{"a", 0.05}, {"b", 0.001}, {"c", 0.1}, {"d", 0.02}};

TEST(SensitivityTest, CodesInAllLayersAreTriedFirst) {
  const CostOfLayers judge({{"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}});
  const auto found = FindLayersForCodes(FourLayers(), kRanges, judge);
  EXPECT_TRUE(found->good_enough);
  EXPECT_EQ(found->trials, 1u);
  ASSERT_EQ(found->files.size(), 1u);
  EXPECT_THAT(found->files[0].layers, IsEmpty());
  EXPECT_EQ(found->files[0].fidelity, 1);
}

TEST(SensitivityTest, LayersGetCodesOneAfterTheOtherTheBestFirst) {
  std::vector<std::string> tried;
  const SensitivityOptions options{.levels = {0.97, 0.9},
                                   .progress = [&](auto, auto of, const std::string& what, double) {
                                     EXPECT_EQ(of, 60u);
                                     tried.push_back(what);
                                   }};
  const CostOfLayers judge(kCosts);
  const auto found = FindLayersForCodes(FourLayers(), kRanges, judge, options).value();
  EXPECT_TRUE(found.good_enough);
  EXPECT_NEAR(found.of_all, 1 - 0.171, 1e-9);
  ASSERT_EQ(found.files.size(), 2u);
  EXPECT_THAT(found.files[0].layers, ElementsAre("a", "c"));
  EXPECT_THAT(found.files[1].layers, ElementsAre("c"));
  for (const LayersInFloat& file : found.files) {
    const std::set<std::string> in_float(file.layers.begin(), file.layers.end());
    EXPECT_NEAR(*judge(Quantize(FourLayers(), kRanges, {.in_float = in_float})->onnx), file.fidelity, 1e-12);
  }
  // No file is judged twice: not that with codes in b alone, nor that with codes in all.
  EXPECT_THAT(tried,
              ElementsAre("codes in all layers", "codes in \"b\" alone", "codes in \"a\" alone", "codes in \"c\" alone",
                          "codes in \"d\" alone", "codes in \"d\" too", "codes in \"a\" too", "codes in \"c\" too"));
  EXPECT_EQ(found.trials, 8u);
}

TEST(SensitivityTest, ALevelThatGivesNoMoreCodesGivesNoFile) {
  const auto found =
      FindLayersForCodes(FourLayers(), kRanges, CostOfLayers(kCosts), {.levels = {2, 0.97, 0.96, 0.5}}).value();
  ASSERT_EQ(found.files.size(), 2u);
  EXPECT_THAT(found.files[0].layers, ElementsAre("a", "c"));
  EXPECT_THAT(found.files[1].layers, IsEmpty());
}

TEST(SensitivityTest, OneThatIsTooMuchDoesNotKeepTheOthersOut) {
  const CostOfLayers judge(kCosts, {{{"b", "d"}, 0.5}});
  const auto found = FindLayersForCodes(FourLayers(), kRanges, judge, {.levels = {0.9}}).value();
  ASSERT_EQ(found.files.size(), 1u);
  EXPECT_THAT(found.files[0].layers, ElementsAre("c", "d"));
}

TEST(SensitivityTest, OfEquallyGoodLayersTheOneWithMostWeightsGoesFirst) {
  const CostOfLayers judge({{"a", 0.1}, {"b", 0.1}, {"c", 0.1}, {"d", 0.1}});
  const auto found = FindLayersForCodes(FourLayers(), kRanges, judge, {.levels = {0.75}});
  EXPECT_THAT(found->files.back().layers, ElementsAre("c", "d"));
}

TEST(SensitivityTest, LayersThatWereNotJudgedAloneGetCodesLastAndTogether) {
  // Of four trials one is left for each of two layers, those with most weights: b and a.
  const CostOfLayers harmless({{"a", 0.02}, {"b", 0.02}, {"c", 0}, {"d", 0}}, {{{"a", "b"}, 0.5}});
  const auto found = FindLayersForCodes(FourLayers(), kRanges, harmless, {.levels = {0.97}, .most_trials = 5}).value();
  ASSERT_EQ(found.files.size(), 1u);
  EXPECT_THAT(found.files[0].layers, ElementsAre("a"));
  const CostOfLayers harmful({{"a", 0.01}, {"b", 0.01}, {"c", 0.3}, {"d", 0}});
  const auto without = FindLayersForCodes(FourLayers(), kRanges, harmful, {.levels = {0.97}, .most_trials = 5}).value();
  ASSERT_EQ(without.files.size(), 1u);
  EXPECT_THAT(without.files[0].layers, ElementsAre("c", "d"));
}

TEST(SensitivityTest, TrialsAreBounded) {
  for (const double least : {0.9999, 0.5}) {
    for (std::size_t most = 1; most < 9; ++most) {
      std::size_t judged = 0;
      const CostOfLayers cost(kCosts);
      const auto found = FindLayersForCodes(FourLayers(), kRanges,
                                            [&](std::string_view onnx) {
                                              ++judged;
                                              return cost(onnx);
                                            },
                                            {.levels = {0.9999, least}, .most_trials = most});
      EXPECT_EQ(found->good_enough, least == 0.5);
      EXPECT_EQ(found->trials, judged);
      EXPECT_LE(judged, most);
      // Whatever was not tried, all of them were.
      if (found->good_enough) {
        EXPECT_THAT(found->files.back().layers, IsEmpty());
      }
    }
  }
}

TEST(SensitivityTest, WhereNoLevelIsReachedTheBestIsGiven) {
  const auto found = FindLayersForCodes(FourLayers(), kRanges, CostOfLayers(kCosts), {.levels = {0.9999}}).value();
  EXPECT_FALSE(found.good_enough);
  ASSERT_EQ(found.files.size(), 1u);
  EXPECT_THAT(found.files[0].layers, ElementsAre("a", "c", "d"));
  EXPECT_NEAR(found.files[0].fidelity, 0.999, 1e-9);
}

TEST(SensitivityTest, TheJudgesErrorIsPassedOn) {
  const auto found = FindLayersForCodes(FourLayers(), kRanges, [](std::string_view) -> Result<double> {
    return Fail(Code::kInternal, "the judge is ill");
  });
  EXPECT_EQ(found.error().message, "the judge is ill");
}

}  // namespace
}  // namespace punctual::optimize
