#include "optimize/run_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "support/onnx_models.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<CompiledModel> Compiled(const std::string& onnx) {
  return FindBackend("native").value()->Compile({onnx, "test.onnx", "fp32", "CPU"}).value();
}

Samples Books(const std::vector<std::vector<float>>& rows) {
  Samples samples;
  samples.inputs = {{"book", DType::kFloat32, {1, static_cast<std::int64_t>(rows[0].size())}}};
  samples.values.resize(1);
  for (const std::vector<float>& row : rows) {
    const auto bytes = std::as_bytes(std::span(row));
    samples.values[0].insert(samples.values[0].end(), bytes.begin(), bytes.end());
    samples.time_ns.push_back(static_cast<std::int64_t>(samples.time_ns.size()));
  }
  return samples;
}

TEST(RunModelTest, AnswersAreThoseOfTheChosenSamplesInTheirOrder) {
  const std::vector<std::vector<float>> rows = {{1, 2}, {-3, 4}, {5, 0}};
  const std::vector<std::size_t> indices = {0, 2};
  std::size_t reported = 0;
  const Answers answers = RunModel(*Compiled(test::LinearModel(2, 3)), Books(rows), indices,
                                   {.progress = [&](std::size_t done, std::size_t) { reported = done; }})
                              .value();
  EXPECT_EQ(reported, 2u);
  ASSERT_EQ(answers.count(), 2u);
  ASSERT_EQ(answers.width, 3u);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto expected = test::LinearModelReference(rows[indices[i]], 3);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(answers[i][k], expected[k], 1e-6);
  }
}

TEST(RunModelTest, AnAnswerThatIsNotFiniteNamesTheSample) {
  const auto model = Compiled(test::LogModel(2));
  const Samples samples = Books({{1, 1}, {-1, 1}, {1, 2}});
  const std::vector<std::size_t> good = {0, 2}, bad = {0, 1};
  EXPECT_TRUE(RunModel(*model, samples, good).has_value());
  const auto error = RunModel(*model, samples, bad).error();
  EXPECT_EQ(error.code, Code::kOutOfRange);
  EXPECT_THAT(error.message, HasSubstr("sample 1"));
}

TEST(RunModelTest, InputsAreMatchedByName) {
  const std::vector<float> x = {1, 2};
  const std::vector<std::int64_t> count = {10, 20};
  Samples samples;
  samples.inputs = {{"count", DType::kInt64, {1, 2}}, {"x", DType::kFloat32, {1, 2}}};
  const auto counts = std::as_bytes(std::span(count)), xs = std::as_bytes(std::span(x));
  samples.values = {{counts.begin(), counts.end()}, {xs.begin(), xs.end()}};
  samples.time_ns = {0};
  const std::vector<std::size_t> first = {0};
  EXPECT_EQ(RunModel(*Compiled(test::TwoInputModel(2)), samples, first)->values, (std::vector<float>{11, 22}));
}

TEST(RunModelTest, WhatDoesNotFitIsNamed) {
  const auto model = Compiled(test::LinearModel(2, 3));
  const std::vector<std::size_t> first = {0};
  const auto error = [&](const Samples& samples, const std::string& output) {
    return RunModel(*model, samples, first, {.output = output}).error().message;
  };
  EXPECT_THAT(error(Books({{1, 2, 3}}), ""),
              HasSubstr("\"book\" FP32 [1,2] does not fit the samples' \"book\" FP32 [1,3]"));
  EXPECT_THAT(error(Books({{1, 2}}), "scores"), HasSubstr("no \"scores\"; it has probabilities"));
  Samples renamed = Books({{1, 2}});
  renamed.inputs[0].name = "other";
  EXPECT_THAT(error(renamed, ""), HasSubstr("nothing for its input \"book\""));
  EXPECT_TRUE(RunModel(*model, Books({{1, 2}}), first, {.output = "probabilities"}).has_value());
}

}  // namespace
}  // namespace punctual::optimize
