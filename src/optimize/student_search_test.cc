#include "optimize/student_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <numeric>

#include "model/manifest.h"
#include "optimize/json_text.h"
#include "optimize/random_samples_for_test.h"
#include "optimize/run_model.h"
#include "optimize/split.h"
#include "optimize/subject_for_test.h"
#include "support/onnx_models.h"
#include "support/random_onnx_graph.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kWidth = 4;

// What FindStudent takes, of a model on random tensors.
struct Question {
  explicit Question(const ModelOnDisk& model) : subject(OpenSubject(model.path()).value()) {
    samples.snapshot.resize(samples.count());
    std::iota(samples.snapshot.begin(), samples.snapshot.end(), std::uint64_t{0});
    parts = SplitByTime(samples, {.gap = 1}).value();
    of_fit = Ask(parts.fit);
    of_search = Ask(parts.search);
  }
  Answers Ask(const std::vector<std::size_t>& indices) {
    return RunModel(*subject.reference, samples, indices, {.output = subject.output().name, .progress = nullptr})
        .value();
  }
  StudentSearchRequest request(double budget_us = 1000) {
    return {.subject = subject,
            .samples = samples,
            .data = data,
            .parts = parts,
            .of_fit = of_fit,
            .of_search = of_search,
            .budget_us = budget_us,
            .seed = 1,
            .progress = nullptr};
  }

  Subject subject;
  Samples samples = test::RandomSamples("book", {1, kWidth}, 600);
  DataFiles data;
  Parts parts;
  Answers of_fit, of_search;
};

TEST(FindStudentTest, AStudentAnswersNearlyAsItsModel) {
  const ModelOnDisk model(test::LinearModel(kWidth, 3));
  Question question(model);
  WorkFolder work = model.work();
  const auto found = FindStudent(question.request(), work);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  ASSERT_EQ(found->failure, "");
  EXPECT_TRUE(ParseManifest(found->manifest, "model.toml").has_value());
  EXPECT_GT(found->time.typical_us, 0);
  EXPECT_EQ(found->questions.count(), question.parts.held_out.size());
  const auto taken = std::find_if(found->trials.begin(), found->trials.end(),
                                  [&](const StudentTrial& trial) { return trial.description == found->description; });
  ASSERT_NE(taken, found->trials.end());
  EXPECT_GT(taken->fidelity, 0.9) << found->description;

  // The next run reads it again.
  std::size_t said = 0;
  StudentSearchRequest again = question.request();
  again.progress = [&](const std::string&, std::size_t, std::size_t) { ++said; };
  const auto kept = FindStudent(again, work);
  EXPECT_EQ(said, 0u);
  EXPECT_EQ(kept->onnx, found->onnx);
  EXPECT_EQ(kept->manifest, found->manifest);
  EXPECT_EQ(kept->questions.values, found->questions.values);
  EXPECT_EQ(JsonText(JsonOf(kept->trials)), JsonText(JsonOf(found->trials)));
}

TEST(FindStudentTest, WhereThereCanBeNoneTheReasonIsSaid) {
  const ModelOnDisk model(test::LinearModel(kWidth, 3));
  Question question(model);
  WorkFolder work = model.work();
  const auto found = FindStudent(question.request(1e-6), work);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(found->failure, HasSubstr("no student answers within budget_us"));
  EXPECT_EQ(FindStudent(question.request(1e-6), work)->failure, found->failure) << "kept";
}

TEST(StudentTrialTest, OneThatDoesNotFitHasNoFidelityInJson) {
  const auto trials = JsonOf({{.description = "trees", .took_us = 9, .fits = true, .fidelity = 0.5},
                              {.description = "wide", .took_us = 90, .fits = false}});
  EXPECT_EQ(trials.at(0).at("fidelity"), 0.5);
  EXPECT_TRUE(trials.at(1).at("fidelity").is_null());
}

TEST(FindStudentTest, OfAModelOfTwoOutputsThereIsNone) {
  RandomOnnxGraph graph("two");
  graph.Input("book", {kWidth});
  graph.Add("Gemm", {"book", graph.Random({kWidth, 3}, 1)}, {}, {"one"});
  graph.Add("Relu", {"one"}, {}, {"two"});
  graph.Output("one", {3});
  graph.Output("two", {3});
  const ModelOnDisk model(graph.Bytes());
  Question question(model);
  WorkFolder work = model.work();
  EXPECT_THAT(FindStudent(question.request(), work)->failure, HasSubstr("has 2 outputs"));
}

}  // namespace
}  // namespace punctual::optimize
