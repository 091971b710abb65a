// The search for a student: trees and perceptrons of several sizes are trained to answer as a model does, and the most
// faithful one that is quick enough is taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "optimize/augment.h"
#include "optimize/boosted_trees.h"
#include "optimize/mlp.h"
#include "optimize/samples.h"
#include "optimize/student_view.h"
#include "punctual/result.h"
#include "tensor/tensor_spec.h"

namespace punctual::optimize {

enum class StudentKind { kTrees, kMlp };

// One student, or one that was too slow to be trained.
struct Trial {
  StudentKind kind = StudentKind::kTrees;
  std::size_t view = 0;             // of DistillRequest::views
  int depth = 0, rounds = 0;        // of trees; each round is a tree for each number of an answer
  std::vector<std::size_t> hidden;  // of a perceptron
  double took_us = 0;
  bool fits = false;    // took_us <= budget_us
  double fidelity = 0;  // the judge's; 0 for those that do not fit
};

// For people: "200 rounds of trees, depth 4, from newest row".
std::string Describe(const Trial& trial, const std::vector<StudentView>& views);

struct DistillOptions {
  double budget_us = 50;  // of one answer, features included
  bool trees = true, mlp = true;
  std::vector<int> depths = {3, 4, 5, 6};
  std::vector<int> rounds = {25, 50, 100, 200, 400};  // ascending; each depth is trained once, and its rounds cut
  std::vector<std::vector<std::size_t>> hidden = {{16}, {32}, {64}, {128}, {32, 16}, {32, 32}, {64, 32}, {128, 64}};
  std::size_t widest_for_trees =
      256;                        // trees are not tried from wider views: training them takes as long as they are wide
  std::size_t most_trials = 200;  // where there are more, the seed says which
  std::uint64_t seed = 1;
  AugmentOptions augment;        // its seed is not used
  BoostedTreesOptions boosting;  // its depth, rounds and seed are not used
  MlpOptions training;           // its hidden and seed are not used
  // Called after each trial. May be empty.
  std::function<void(const Trial& trial, std::size_t done, std::size_t of)> progress;
};

// How faithful answers are to the model's: more is better. Of the samples of Parts::search, in their order.
using JudgeStudent = std::function<double(const Answers& model, const Answers& student)>;
// Microseconds of one answer, features included (TimeStudent of time_student.h).
using Timer = std::function<Result<double>(const std::string& onnx, const StudentView& view)>;

struct DistillRequest {
  const Samples& samples;
  const Parts& parts;        // held_out is not looked at
  const Answers& of_fit;     // of the model, to the samples of parts.fit in their order
  const Answers& of_search;  // and to those of parts.search
  std::vector<StudentView> views;
  TensorSpec output;  // of the model
  Labeller labeller;  // of added questions; not called where options.augment adds none
  JudgeStudent judge;
  Timer timer;
};

struct Distilled {
  Trial trial;
  std::string onnx;           // for StudentManifest(..., views[trial.view], ...)
  std::vector<Trial> trials;  // all of them, in the order they were made
};

// On the calling thread; takes minutes. What a seed gives is the same as long as the timer says the same students fit;
// of equally faithful ones the first is taken. kInvalidArgument and kFailedPrecondition: of CheckTrainingSet, Augment
// and WriteForest; options out of range; no student fits (with how quick the quickest is).
Result<Distilled> Distill(const DistillRequest& request, const DistillOptions& options);

}  // namespace punctual::optimize
