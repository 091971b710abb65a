// What tests of students share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "market/random.h"
#include "model/backend.h"
#include "optimize/samples.h"
#include "optimize/student_view.h"
#include "optimize/training_set.h"

namespace punctual::optimize {

// What the native backend gives for all rows at once, and for each alone, which must be the same.
inline Answers AnswersOfFile(const std::string& onnx, const Rows& rows) {
  const auto compiled = FindBackend("native").value()->Compile({onnx, "the student", "fp32", "CPU"});
  if (compiled.has_error()) {
    ADD_FAILURE() << compiled.error().message;
    return {};
  }
  const auto all = compiled.value()->NewSession(rows.count()).value(), one = compiled.value()->NewSession(1).value();
  EXPECT_EQ(all->input(0).size(), rows.values.size() * sizeof(float));
  std::memcpy(all->input(0).data(), rows.values.data(), all->input(0).size());
  EXPECT_TRUE(all->Run().has_value());
  Answers answers{one->output(0).size() / sizeof(float), {}};
  answers.values.resize(all->output(0).size() / sizeof(float));
  std::memcpy(answers.values.data(), all->output(0).data(), all->output(0).size());
  for (std::size_t i = 0; i < rows.count(); ++i) {
    std::memcpy(one->input(0).data(), rows[i].data(), one->input(0).size());
    EXPECT_TRUE(one->Run().has_value());
    for (std::size_t k = 0; k < answers.width; ++k) {
      float value;
      std::memcpy(&value, one->output(0).data() + k * sizeof value, sizeof value);
      EXPECT_NEAR(value, answers[i][k], 1e-6f * (1 + std::abs(value))) << "row " << i;
    }
  }
  return answers;
}

// Rows of normal numbers, and what a made-up model says of them: of the first three columns, not linearly. Three
// probabilities, or `numbers` numbers that are neither near 0 nor of one size.
inline TrainingSet MadeUpSet(std::size_t count, std::size_t width, Meaning meaning, std::uint64_t seed,
                             std::size_t numbers = 2) {
  Random random(seed);
  TrainingSet set{{width, {}}, {meaning == Meaning::kProbabilities ? 3 : numbers, {}}};
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<float> x;
    for (std::size_t at = 0; at < width; ++at) x.push_back(static_cast<float>(random.Normal()));
    set.x.Append(x);
    const float a = x[0] * x[1], b = std::abs(x[2]) - x[0];
    std::vector<float> y = {2 * a, 2 * b, 0.5f};
    if (meaning == Meaning::kProbabilities)
      Softmax(y);
    else
      y = {1000 + 50 * a, 0.01f * b};
    y.resize(set.y.width);
    set.y.values.insert(set.y.values.end(), y.begin(), y.end());
  }
  return set;
}

// A view of that many numbers, of a model that takes tensors of the same.
inline StudentView TensorView(std::size_t width) {
  StudentView view;
  view.name = "input";
  view.input = {"book", DType::kFloat32, {1, static_cast<std::int64_t>(width)}};
  view.rows.width = width;
  for (std::size_t i = 0; i < width; ++i) view.of_model.push_back(i);
  return view;
}

inline TensorSpec OutputOf(std::int64_t numbers) { return {"probabilities", DType::kFloat32, {1, numbers}}; }

}  // namespace punctual::optimize
