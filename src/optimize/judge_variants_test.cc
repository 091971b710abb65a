#include "optimize/judge_variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optimize/random_samples_for_test.h"
#include "optimize/run_model.h"
#include "optimize/subject_for_test.h"
#include "support/onnx_models.h"
#include "support/random_onnx_graph.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kWidth = 4;

// Another model of the same question: random weights, from `input`.
std::string OtherModel(const std::string& input, std::int64_t width) {
  RandomOnnxGraph graph("other");
  graph.Input(input, {width});
  const std::string sums = graph.Add("Gemm", {input, graph.Random({width, 3}, 1)});
  graph.Add("Softmax", {sums}, {{"axis", std::int64_t{-1}}}, {"probabilities"});
  graph.Output("probabilities", {3});
  return graph.Bytes();
}

class JudgeVariantsTest : public testing::Test {
 protected:
  std::vector<VariantRun> Judge(const std::vector<Candidate>& candidates) {
    const auto runs = JudgeVariants({.subject = subject_,
                                     .samples = samples_,
                                     .held_out = held_out_,
                                     .reference = reference_,
                                     .seed = 1,
                                     .progress = nullptr},
                                    candidates);
    EXPECT_TRUE(runs.has_value()) << runs.error().message;
    return runs.value();
  }

  const ModelOnDisk model_{test::LinearModel(kWidth, 3)};
  const Subject subject_ = OpenSubject(model_.path()).value();
  const Samples samples_ = test::RandomSamples("book", {1, kWidth}, 300);
  const std::vector<std::size_t> held_out_ = test::All(samples_);
  const Answers reference_ =
      RunModel(*subject_.reference, samples_, held_out_, {.output = "probabilities", .progress = nullptr}).value();
};

TEST_F(JudgeVariantsTest, TheModelItselfPassesAndIsTimed) {
  const auto runs = Judge({{"fp32", subject_.folder.onnx, "fp32", AutoBackends(), std::nullopt}});
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].backend, "native");
  EXPECT_TRUE(runs[0].passed);
  EXPECT_TRUE(runs[0].gate.empty());
  EXPECT_EQ(runs[0].fidelity->classes->agreement.share->value, 1);
  EXPECT_GT(runs[0].latency.warm.p50_us, 0);
  EXPECT_GT(runs[0].latency.cold.runs, 0u);
  EXPECT_GT(runs[0].latency.busy.runs, 0u);
  EXPECT_THAT(runs[1].refusal, HasSubstr("openvino"));
}

TEST_F(JudgeVariantsTest, WhatAnswersSomethingElseFailsItsGate) {
  const auto runs = Judge({{"int8", OtherModel("book", kWidth), "fp32", {"native"}, Gate{0.1, "--limit"}}});
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_FALSE(runs[0].passed);
  EXPECT_THAT(runs[0].gate, HasSubstr("fails --limit 10.000 %"));
}

TEST_F(JudgeVariantsTest, AStudentIsAskedWhatItSees) {
  // The same numbers under another name: what it is asked must come from there.
  Samples questions = samples_;
  questions.inputs[0].name = "seen";
  const auto runs =
      Judge({{"student", OtherModel("seen", kWidth), "fp32", {"native"}, Gate{1, "--limit"}, &questions}});
  EXPECT_TRUE(runs.at(0).refusal.empty());
  EXPECT_LT(runs[0].fidelity->classes->agreement.share->value, 1);
  EXPECT_TRUE(runs[0].passed) << "all is allowed";
}

TEST_F(JudgeVariantsTest, FurtherBackendsAreHeldAgainstTheFirst) {
  const auto runs = Judge({{"int8", OtherModel("book", kWidth), "fp32", {"native", "native"}, Gate{1, "--limit"}}});
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_FALSE(runs[0].like_first);
  EXPECT_EQ(runs[1].like_first, 1);
}

}  // namespace
}  // namespace punctual::optimize
