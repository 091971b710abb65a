// From a model in float and recorded questions to a repository that can be served: the model, with an int8 file where
// that is good enough, a student of it, likewise, and a report of what was found. docs/optimize.md says it for users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "optimize/gate.h"
#include "optimize/optimization.h"
#include "optimize/read_data.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct OptimizeOptions {
  std::string model;  // its folder; nothing is written into it
  DataFiles data;
  std::string out;                              // the folder to be made; empty: MODEL-optimized beside the model
  std::vector<Tier> tiers;                      // one at least, each of a budget above 0
  double max_accuracy_drop = kMaxAccuracyDrop;  // a share; see gate.h
  double student_budget_us = 50;                // of a student's answer, features included; 0: no student is made
  double max_student_accuracy_drop = kMaxStudentAccuracyDrop;
  std::uint64_t seed = 1;
  // Called now and then with what is being done, and how far it is (of: 0, not known). May be empty.
  std::function<void(const std::string& stage, std::size_t done, std::size_t of)> progress;
};

// Makes the folder, whole or not at all. A run that was cut off, or whose disk was full, leaves a hidden folder beside
// it (work_folder.h), from which the next with the same model, data and options goes on; other errors leave nothing. Of
// equal arguments the int8 file is equal, byte by byte; which student is taken, and what is served, also follows from
// measured times.
//
// Besides the errors of the stages: kInvalidArgument: options out of range, or `out` inside of the model's folder;
// kAlreadyExists: `out` is there, made by this very run (with that message) or not.
Result<Optimization> Optimize(const OptimizeOptions& options);

// The folder that will be made.
std::string OutOf(const OptimizeOptions& options);

}  // namespace punctual::optimize
