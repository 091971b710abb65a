#include "optimize/int8_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "optimize/random_samples_for_test.h"
#include "optimize/run_model.h"
#include "optimize/split.h"
#include "optimize/subject_for_test.h"
#include "support/onnx_models.h"
#include "support/random_onnx_graph.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kWidth = 8;

std::string TwoLayers(std::int64_t classes = 3) {
  RandomOnnxGraph graph("two_layers");
  graph.Input("book", {kWidth});
  std::string at = graph.Add("Gemm", {"book", graph.Weights({kWidth, 16}, kWidth), graph.Bias(16)});
  at = graph.Add("Relu", {at});
  at = graph.Add("Gemm", {at, graph.Weights({16, classes}, 16), graph.Bias(classes)});
  graph.Add("Softmax", {at}, {{"axis", std::int64_t{-1}}}, {"probabilities"});
  graph.Output("probabilities", {classes});
  return graph.Bytes();
}

// What FindInt8 takes, of a model on random tensors.
struct Question {
  explicit Question(const ModelOnDisk& model) : subject(OpenSubject(model.path()).value()) {
    samples.snapshot.resize(samples.count());
    std::iota(samples.snapshot.begin(), samples.snapshot.end(), std::uint64_t{0});
    parts = SplitByTime(samples, {.gap = 1}).value();
    of_search =
        RunModel(*subject.reference, samples, parts.search, {.output = "probabilities", .progress = nullptr}).value();
  }
  Int8SearchRequest request(std::vector<double> levels) {
    return {.subject = subject,
            .samples = samples,
            .parts = parts,
            .of_search = of_search,
            .levels = std::move(levels),
            .progress = nullptr};
  }

  Subject subject;
  Samples samples = test::RandomSamples("book", {1, kWidth}, 1000);
  Parts parts;
  Answers of_search;
};

TEST(FindInt8Test, TheFileOfTheOneLevelIsTheOneWithTheMostCodesAndIsKept) {
  const ModelOnDisk model(TwoLayers());
  Question question(model);
  WorkFolder work = model.work();
  const auto found = FindInt8(question.request({0.5}), work);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->failure, "");
  EXPECT_TRUE(found->good_enough);
  ASSERT_EQ(found->files.size(), 1u);
  EXPECT_THAT(found->file().onnx, HasSubstr("QuantizeLinear"));
  EXPECT_EQ(found->file().layers.size(), 2u);
  for (const LayerReport& layer : found->file().layers)
    EXPECT_EQ(layer.reason, "") << "half of the answers are easily the same";
  ASSERT_EQ(found->trials.size(), 3u);
  for (const Int8Trial& trial : found->trials) {
    EXPECT_GT(trial.of_all, 0.9) << trial.method;
    EXPECT_LE(trial.of_all, found->file().fidelity) << "of as many codes the most faithful";
  }
  EXPECT_EQ(found->layer_error.size(), 2u);

  const auto again = FindInt8(question.request({0.5}), work);
  EXPECT_EQ(again->file().onnx, found->file().onnx);
  EXPECT_EQ(again->file().method, found->file().method);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again->trials[i].files_judged, found->trials[i].files_judged);
    EXPECT_EQ(again->trials[i].files[0].fidelity, found->trials[i].files[0].fidelity) << "to the last digit";
  }
}

TEST(FindInt8Test, BolderLevelsHaveMoreCodes) {
  const ModelOnDisk model(TwoLayers(200));  // of so many classes some are all but equally likely
  Question question(model);
  WorkFolder one = model.work("one"), two = model.work("two");
  const auto all = FindInt8(question.request({0.5}), one);
  double of_all = 0;
  for (const Int8Trial& trial : all->trials) of_all = std::max(of_all, trial.of_all);
  ASSERT_LT(of_all, 1) << "or this tells nothing";
  // With codes in one layer a file is nearer to the model than with codes in both.
  const auto found = FindInt8(question.request({std::nextafter(of_all, 1.0), 0.5}), two);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->files.size(), 2u);
  EXPECT_GT(found->files[0].fidelity, found->files[1].fidelity);
  EXPECT_EQ((found->files[0].layers[0].reason + found->files[0].layers[1].reason), kLeftInFloat);
  EXPECT_EQ((found->files[1].layers[0].reason + found->files[1].layers[1].reason), "");
}

TEST(FindInt8Test, WhereNothingIsGoodEnoughTheBestIsTakenAndSaysSo) {
  const ModelOnDisk model(TwoLayers());
  Question question(model);
  WorkFolder work = model.work();
  for (const char* const how : {"fresh", "as an earlier run with the same levels kept it"}) {
    const auto found = FindInt8(question.request({1.5}), work);  // no fidelity is
    ASSERT_TRUE(found.has_value()) << found.error().message;
    EXPECT_FALSE(found->good_enough) << how;
    ASSERT_EQ(found->files.size(), 1u);
    for (const Int8Trial& trial : found->trials) {
      ASSERT_EQ(trial.files.size(), 1u);
      EXPECT_LE(trial.files[0].fidelity, found->file().fidelity);
    }
  }
}

TEST(FindInt8Test, AModelWithoutLayersHasNoFile) {
  RandomOnnxGraph graph("none");
  graph.Input("book", {kWidth});
  graph.Add("Softmax", {"book"}, {{"axis", std::int64_t{-1}}}, {"probabilities"});
  graph.Output("probabilities", {kWidth});
  const ModelOnDisk model(graph.Bytes());
  Question question(model);
  WorkFolder work = model.work();
  const auto found = FindInt8(question.request({0.5}), work);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(found->failure, HasSubstr("no layer that can be quantised"));
}

}  // namespace
}  // namespace punctual::optimize
