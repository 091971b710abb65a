#include "optimize/sensitivity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

// Of a file: 1 less what each layer with codes costs.
class CostOfLayers {
 public:
  explicit CostOfLayers(std::map<std::string, double> costs) : costs_(std::move(costs)) {}
  Result<double> operator()(std::string_view onnx) const {
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())));
    std::set<std::string> as_codes;
    double fidelity = 1;
    for (const onnx::NodeProto& node : model.graph().node()) {
      if (node.op_type() == "DequantizeLinear") as_codes.insert(node.output(0));
      if (Is(node, "MatMul") && as_codes.contains(node.input(1))) fidelity -= costs_.at(node.name());
    }
    return fidelity;
  }

 private:
  std::map<std::string, double> costs_;
};

TEST(SensitivityTest, AFileThatPassesKeepsAllItsCodes) {
  const auto found = FindLayersForFloat(FourLayers(), kRanges, CostOfLayers({{"a", 0}, {"b", 0}, {"c", 0}, {"d", 0}}));
  EXPECT_TRUE(found->passed);
  EXPECT_EQ(found->trials, 1u);
  EXPECT_THAT(found->in_float, IsEmpty());
}

TEST(SensitivityTest, TheWorstLayersAreLeftInFloatUntilTheRestPasses) {
  std::vector<std::string> tried;
  const SensitivityOptions options{.least = 0.94, .progress = [&](auto, auto of, const std::string& what, double) {
                                     EXPECT_EQ(of, 60u);
                                     tried.push_back(what);
                                   }};
  const CostOfLayers judge({{"a", 0.05}, {"b", 0.001}, {"c", 0.1}, {"d", 0.02}});
  const auto found = FindLayersForFloat(FourLayers(), kRanges, judge, options).value();
  EXPECT_TRUE(found.passed);
  EXPECT_THAT(found.in_float, ElementsAre("c", "a"));
  EXPECT_NEAR(found.of_all, 1 - 0.171, 1e-9);
  EXPECT_NEAR(found.fidelity, 1 - 0.021, 1e-9);
  EXPECT_NEAR(*judge(found.file.onnx), found.fidelity, 1e-12);
  EXPECT_THAT(tried, ElementsAre("codes in all layers", "codes in \"b\" alone", "codes in \"a\" alone",
                                 "codes in \"c\" alone", "codes in \"d\" alone", "\"c\" in float", "\"a\" in float"));
  EXPECT_EQ(found.trials, 7u);
}

TEST(SensitivityTest, OfEquallyBadLayersTheOneWithFewestWeightsGoesFirst) {
  const auto found = FindLayersForFloat(
      FourLayers(), kRanges, CostOfLayers({{"a", 0.1}, {"b", 0.1}, {"c", 0.1}, {"d", 0.1}}), {.least = 0.75});
  EXPECT_THAT(found->in_float, ElementsAre("d", "c"));
}

TEST(SensitivityTest, TrialsAreBounded) {
  for (const std::size_t most : {1u, 2u, 3u, 4u, 5u}) {
    std::size_t judged = 0;
    const CostOfLayers cost({{"a", 0.05}, {"b", 0.001}, {"c", 0.1}, {"d", 0.02}});
    const auto found = FindLayersForFloat(FourLayers(), kRanges,
                                          [&](std::string_view onnx) {
                                            ++judged;
                                            return cost(onnx);
                                          },
                                          {.least = 0.9999, .most_trials = most});
    EXPECT_FALSE(found->passed);
    EXPECT_EQ(found->trials, judged);
    EXPECT_LE(judged, most);
    EXPECT_FALSE(found->file.onnx.empty());
  }
}

TEST(SensitivityTest, WhereNothingPassesTheBestFileIsGiven) {
  const CostOfLayers judge({{"a", 0.05}, {"b", 0.01}, {"c", 0.1}, {"d", 0.02}});
  const auto found = FindLayersForFloat(FourLayers(), kRanges, judge, {.least = 0.9999}).value();
  EXPECT_FALSE(found.passed);
  EXPECT_THAT(found.in_float, ElementsAre("c", "a", "d"));
  EXPECT_NEAR(found.fidelity, 0.99, 1e-9);
}

TEST(SensitivityTest, TheJudgesErrorIsPassedOn) {
  const auto found = FindLayersForFloat(FourLayers(), kRanges, [](std::string_view) -> Result<double> {
    return Fail(Code::kInternal, "the judge is ill");
  });
  EXPECT_EQ(found.error().message, "the judge is ill");
}

}  // namespace
}  // namespace punctual::optimize
