#include "optimize/int8_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

std::string TwoLayers() {
  RandomOnnxGraph graph("two_layers");
  graph.Input("book", {kWidth});
  std::string at = graph.Add("Gemm", {"book", graph.Weights({kWidth, 16}, kWidth), graph.Bias(16)});
  at = graph.Add("Relu", {at});
  at = graph.Add("Gemm", {at, graph.Weights({16, 3}, 16), graph.Bias(3)});
  graph.Add("Softmax", {at}, {{"axis", std::int64_t{-1}}}, {"probabilities"});
  graph.Output("probabilities", {3});
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
  Int8SearchRequest request(double least) {
    return {.subject = subject,
            .samples = samples,
            .parts = parts,
            .of_search = of_search,
            .least = least,
            .progress = nullptr};
  }

  Subject subject;
  Samples samples = test::RandomSamples("book", {1, kWidth}, 1000);
  Parts parts;
  Answers of_search;
};

TEST(FindInt8Test, TheFileIsOneOfTheTrialsAndIsKept) {
  const ModelOnDisk model(TwoLayers());
  Question question(model);
  WorkFolder work = model.work();
  const auto found = FindInt8(question.request(0.5), work);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->failure, "");
  EXPECT_THAT(found->onnx, HasSubstr("QuantizeLinear"));
  ASSERT_EQ(found->trials.size(), 3u);
  EXPECT_TRUE(found->trials[found->method].passed);
  EXPECT_TRUE(found->trials[found->method].in_float.empty()) << "half of the answers are easily the same";
  EXPECT_EQ(found->layers.size(), 2u);
  EXPECT_EQ(found->layer_error.size(), 2u);
  for (const Int8Trial& trial : found->trials) EXPECT_GT(trial.of_all, 0.9) << trial.method;

  const auto again = FindInt8(question.request(0.5), work);
  EXPECT_EQ(again->onnx, found->onnx);
  EXPECT_EQ(again->method, found->method);
}

TEST(FindInt8Test, WhereNothingIsGoodEnoughTheBestIsTakenAndSaysSo) {
  const ModelOnDisk model(TwoLayers());
  Question question(model);
  WorkFolder work = model.work();
  const auto found = FindInt8(question.request(1.5), work);  // no fidelity is
  ASSERT_TRUE(found.has_value()) << found.error().message;
  for (const Int8Trial& trial : found->trials) {
    EXPECT_FALSE(trial.passed);
    EXPECT_LE(trial.fidelity, found->trials[found->method].fidelity);
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
  const auto found = FindInt8(question.request(0.5), work);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(found->failure, HasSubstr("no layer that can be quantised"));
}

}  // namespace
}  // namespace punctual::optimize
