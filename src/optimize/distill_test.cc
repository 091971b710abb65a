#include "optimize/distill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "market/market.h"
#include "market/simulator.h"
#include "model/student.h"
#include "optimize/student_manifest.h"
#include "optimize/students_for_test.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// A model of the tree, asked about simulated books.
class Primary {
 public:
  explicit Primary(const std::string& name)
      : manifest_(ParseManifest(BytesOf(PUNCTUAL_SOURCE_DIR "/models/" + name + "/model.toml"), "model.toml").value()),
        onnx_(BytesOf(PUNCTUAL_SOURCE_DIR "/models/" + name + "/1/model.onnx")),
        compiled_(FindBackend("native").value()->Compile({onnx_, name, "fp32", "CPU"}).value()),
        session_(compiled_->NewSession(1).value()) {}

  const Manifest& manifest() const { return manifest_; }
  const TensorSpec& input() const { return compiled_->signature().inputs[0]; }
  const TensorSpec& output() const { return compiled_->signature().outputs[0]; }
  std::size_t history() const { return FeaturePlan::Make(*manifest_.features).value().history(); }
  ModelFiles files() const { return {"model", "1", "model.toml", manifest_, "model.onnx", onnx_, "", ""}; }

  Answers Ask(const Samples& samples, std::span<const std::size_t> indices) const {
    Answers answers{3, {}};
    for (const std::size_t i : indices) {
      std::ranges::copy(samples.Of(0, i), session_->input(0).begin());
      EXPECT_TRUE(session_->Run().has_value());
      std::array<float, 3> answer;
      std::memcpy(answer.data(), session_->output(0).data(), sizeof answer);
      answers.values.insert(answers.values.end(), answer.begin(), answer.end());
    }
    return answers;
  }
  Labeller labeller() const {
    return [this](const Samples& samples) -> Result<Answers> {
      std::vector<std::size_t> all(samples.count());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
      return Ask(samples, all);
    };
  }

 private:
  Manifest manifest_;
  std::string onnx_;
  std::unique_ptr<CompiledModel> compiled_;
  std::unique_ptr<Session> session_;
};

constexpr std::size_t kBooks = 2000;

Samples SimulatedSamples(const FeatureSpec& features, const TensorSpec& input) {
  const FeaturePlan plan = FeaturePlan::Make(features).value();
  Samples samples;
  samples.inputs = {input};
  samples.symbols = {"SIM1"};
  samples.values.resize(1);
  Simulator simulator = Simulator::Make({.symbols = 1}).value();
  SymbolState state(plan.history());
  std::vector<float> row(static_cast<std::size_t>(plan.window()) * plan.columns());
  for (std::size_t i = 0; i < kBooks; ++i) {
    const BookSnapshot book = simulator.Next().book;
    EXPECT_TRUE(state.Append(book, TimePoint{}).has_value());
    if (i + 1 < plan.history()) continue;
    EXPECT_TRUE(plan.Compute(state.Take(), row).has_value());
    const auto bytes = std::as_bytes(std::span(row));
    samples.values[0].insert(samples.values[0].end(), bytes.begin(), bytes.end());
    samples.time_ns.push_back(book.receive_time_ns);
    samples.symbol.push_back(0);
    samples.snapshot.push_back(i);
  }
  return samples;
}

std::size_t Preferred(std::span<const float> answer) {
  return static_cast<std::size_t>(std::max_element(answer.begin(), answer.end()) - answer.begin());
}

double Agreement(const Answers& model, const Answers& student) {
  std::size_t same = 0;
  for (std::size_t i = 0; i < model.count(); ++i) same += Preferred(model[i]) == Preferred(student[i]) ? 1 : 0;
  return static_cast<double>(same) / static_cast<double>(model.count());
}

// In place of a clock: larger files take longer.
Result<double> TimedBySize(const std::string& onnx, const StudentView&) {
  return static_cast<double>(onnx.size()) / 1000;
}

class DistillTest : public ::testing::Test {
 protected:
  DistillTest() : samples_(SimulatedSamples(*primary_.manifest().features, primary_.input())) {
    for (std::size_t i = 0; i < samples_.count(); ++i)
      (i < 1200 ? parts_.fit : i < 1500 ? parts_.search : parts_.held_out).push_back(i);
    of_fit_ = primary_.Ask(samples_, parts_.fit);
    of_search_ = primary_.Ask(samples_, parts_.search);
    views_ = {ViewNewestRows(samples_, *primary_.manifest().features, 1).value()};
    options_.budget_us = 1000;
    options_.depths = {3, 4};
    options_.rounds = {5, 20, 40};
    options_.hidden = {{8}, {32, 16}};
    options_.training.epochs = 10;
  }

  DistillRequest Request() {
    return {samples_,  parts_,     of_fit_, of_search_, views_, primary_.output(), primary_.labeller(),
            Agreement, TimedBySize};
  }

  Primary primary_{"mlp"};
  Samples samples_;
  Parts parts_;
  Answers of_fit_, of_search_;
  std::vector<StudentView> views_;
  DistillOptions options_;
};

TEST_F(DistillTest, TheMostFaithfulThatFitsIsTaken) {
  const auto distilled = Distill(Request(), options_);
  ASSERT_FALSE(distilled.has_error()) << distilled.error().message;
  EXPECT_EQ(distilled->trials.size(), 8u);
  for (const Trial& trial : distilled->trials) {
    EXPECT_TRUE(trial.fits);
    EXPECT_LE(trial.fidelity, distilled->trial.fidelity);
  }
  // What the file answers to books that nobody has looked at, in the words of the trial.
  Rows rows{views_[0].width(), {}};
  for (const std::size_t i : parts_.held_out) rows.Append(views_[0].rows[i]);
  const Answers of_model = primary_.Ask(samples_, parts_.held_out);
  EXPECT_GT(Agreement(of_model, AnswersOfFile(distilled->onnx, rows)), 0.8);
}

TEST_F(DistillTest, ThoseThatAreTooSlowAreNotTaken) {
  options_.budget_us = 8;
  const auto distilled = Distill(Request(), options_);
  ASSERT_FALSE(distilled.has_error()) << distilled.error().message;
  EXPECT_LE(static_cast<double>(distilled->onnx.size()) / 1000, 8);
  const auto& trials = distilled->trials;
  EXPECT_TRUE(std::any_of(trials.begin(), trials.end(), [](const Trial& trial) { return !trial.fits; }));
  for (const Trial& trial : trials) EXPECT_EQ(trial.fits, trial.took_us <= 8);
}

TEST_F(DistillTest, WhereNoneFitsTheQuickestIsNamed) {
  options_.budget_us = 0.1;
  const auto distilled = Distill(Request(), options_);
  ASSERT_TRUE(distilled.has_error());
  EXPECT_EQ(distilled.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(distilled.error().message, HasSubstr("the quickest, perceptron 8, from newest row, takes"));
}

TEST_F(DistillTest, ASeedGivesTheSameStudent) {
  options_.hidden = {{8}};
  options_.depths = {3};
  const auto one = Distill(Request(), options_), same = Distill(Request(), options_);
  ASSERT_FALSE(one.has_error()) << one.error().message;
  EXPECT_EQ(one->onnx, same->onnx);
  options_.seed = 2;
  EXPECT_NE(one->onnx, Distill(Request(), options_)->onnx);
}

TEST_F(DistillTest, NoMoreTrialsAreMadeThanAllowed) {
  options_.most_trials = 5;
  std::vector<std::size_t> done;
  options_.progress = [&](const Trial&, std::size_t now, std::size_t of) {
    done.push_back(now);
    EXPECT_EQ(of, 5u);
  };
  const auto distilled = Distill(Request(), options_);
  ASSERT_FALSE(distilled.has_error()) << distilled.error().message;
  EXPECT_EQ(distilled->trials.size(), 5u);
  EXPECT_THAT(done, ::testing::ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(DistillTest, AStudentOfOtherColumnsFitsItsModelsPlaceInARepository) {
  // As the command does it: columns of the same books, standardised, read again.
  FeatureSpec features = ProposeFeatures(*primary_.manifest().features, primary_.history(), 1);
  TensorSpec input = primary_.input();
  for (int reading = 0; reading < 2; ++reading) {
    input.shape = {1, static_cast<std::int64_t>(features.columns.size())};
    views_ = {ViewBooks(samples_, SimulatedSamples(features, input), features).value()};
    if (reading == 0) features = Standardised(views_[0], parts_.fit).value();
  }
  options_.mlp = false;
  options_.depths = {4};
  const auto distilled = Distill(Request(), options_);
  ASSERT_FALSE(distilled.has_error()) << distilled.error().message;
  const std::string text = StudentManifest(primary_.manifest(), views_[0], Describe(distilled->trial, views_));
  const Manifest manifest = ParseManifest(text, "model.toml").value();
  const ModelFiles files = {"student", "1", "model.toml", manifest, "model.onnx", distilled->onnx, "", ""};
  const LoadOptions load = {.caller_sessions = 1};
  const auto model = ServedModel::Load(primary_.files(), load), student = ServedModel::Load(files, load);
  ASSERT_FALSE(model.has_error()) << model.error().message;
  ASSERT_FALSE(student.has_error()) << student.error().message;
  EXPECT_LE(student.value()->features()->history(), model.value()->features()->history());
  const auto fits = CheckStudent(**model, **student);
  EXPECT_FALSE(fits.has_error()) << fits.error().message;
}

TEST_F(DistillTest, WhatCannotBeLearntIsRefused) {
  const auto refusal = [&] {
    const auto distilled = Distill(Request(), options_);
    EXPECT_TRUE(distilled.has_error());
    return distilled.has_error() ? distilled.error().message : "";
  };
  const Answers right = of_fit_;
  of_fit_.values[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(), HasSubstr("answers: number 0 of row 1 is not finite"));
  for (std::size_t i = 0; i < right.values.size(); ++i)
    of_fit_.values[i] = i % 3 == 1 ? 0.5f + right.values[i] / 2 : right.values[i] / 2;
  EXPECT_THAT(refusal(), HasSubstr("prefers class 1 in all"));
  of_fit_ = right;
  parts_.search.resize(20);
  EXPECT_THAT(refusal(), HasSubstr("answers do not match"));
  of_search_.values.resize(60);
  EXPECT_THAT(refusal(), HasSubstr("20 samples to choose by"));
  views_.clear();
  EXPECT_THAT(refusal(), HasSubstr("no view"));
}

TEST_F(DistillTest, OptionsOutOfRangeAreRefused) {
  const auto refusal = [&](const auto& change) {
    DistillOptions options = options_;
    change(options);
    return Distill(Request(), options).error().message;
  };
  EXPECT_THAT(refusal([](DistillOptions& options) { options.budget_us = 0; }), HasSubstr("budget_us"));
  EXPECT_THAT(refusal([](DistillOptions& options) { options.most_trials = 0; }), HasSubstr("most_trials"));
  EXPECT_THAT(refusal([](DistillOptions& options) { options.trees = options.mlp = false; }), HasSubstr("trees, mlp"));
  EXPECT_THAT(refusal([](DistillOptions& options) { options.rounds = {20, 5}; }), HasSubstr("ascending"));
  EXPECT_THAT(refusal([](DistillOptions& options) { options.hidden.clear(); }), HasSubstr("hidden"));
  const auto nothing = [](DistillOptions& options) { options.mlp = false, options.widest_for_trees = 5; };
  EXPECT_THAT(refusal(nothing), HasSubstr("nothing is left to try"));
}

}  // namespace
}  // namespace punctual::optimize
