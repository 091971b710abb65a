// Each file of a model by each backend that can run it: how faithful, and how quick.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optimize/optimization.h"
#include "optimize/samples.h"
#include "optimize/subject.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct JudgeRequest {
  const Subject& subject;
  const Samples& samples;
  const std::vector<std::size_t>& held_out;
  const Answers& reference;  // the model's answers to held_out, in their order
  std::uint64_t seed = 1;
  std::function<void(const std::string& what, std::size_t done, std::size_t of)> progress;  // may be empty
};

// What a candidate has to pass: gate.h.
struct Gate {
  double limit = 0;
  std::string option;
};

// A file to be judged.
struct Candidate {
  std::string variant;
  std::string onnx;
  std::string precision;
  std::vector<std::string> backends;
  std::optional<Gate> gate;  // none: it is the model's own, which is compared, but always passes
  // What it is asked in place of the held-out samples, in their order: as a student sees them. Null: those themselves.
  const Samples* questions = nullptr;
};

// A run of the candidate by each of its backends, in that order, judged on the held-out samples: without its latencies.
// Errors of RunModel and Compare; a backend that refuses a file is no error.
Result<std::vector<VariantRun>> JudgeUntimed(const JudgeRequest& request, const Candidate& candidate);

// JudgeUntimed of each candidate, then all timed side by side. Errors of RunModel, Compare and TimeModels; a backend
// that refuses a file is no error.
Result<std::vector<VariantRun>> JudgeVariants(const JudgeRequest& request, const std::vector<Candidate>& candidates);

}  // namespace punctual::optimize
