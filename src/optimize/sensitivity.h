// Which layers of a model cost most when they are computed with codes, and are better left in float.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/quantize.h"
#include "punctual/result.h"

namespace punctual::optimize {

// How well the answers of an ONNX file agree with those of the file in float; higher is better. A share of equal
// classes on some samples, for instance.
using JudgeFile = std::function<Result<double>(std::string_view onnx)>;

struct SensitivityOptions {
  double least = 0.995;          // of the judge's figures, that will do
  std::size_t most_trials = 60;  // files that are judged, at most; at least 1
  // Called after each trial: what was tried, and the judge's figure. `of`: trials there may be at most. May be empty.
  std::function<void(std::size_t trials, std::size_t of, const std::string& tried, double fidelity)> progress;
};

struct Sensitivity {
  struct Alone {
    std::string layer;
    double fidelity = 0;  // of the file with codes in this layer alone
  };
  bool passed = false;                // fidelity >= least
  double fidelity = 0;                // of `file`
  QuantizedFile file;                 // with `in_float`
  std::vector<std::string> in_float;  // layers that were left, in the order in which they were
  double of_all = 0;                  // fidelity of the file with codes in all layers
  std::vector<Alone> alone;           // the worst first; empty where the file with all of them passed
  std::size_t trials = 0;
};

// Judges the file with codes in all layers; where that is not enough, each layer alone (of many, those with the most
// weights, with half of the trials), and then leaves one after the other in float, the worst first, of equally bad ones
// that with the fewest weights, until the rest passes. Where trials or layers end before, gives the best file that was
// found, with `passed` false. Errors: those of Quantize and of the judge.
Result<Sensitivity> FindLayersForFloat(std::string_view onnx, const ValueRanges& ranges, const JudgeFile& judge,
                                       const SensitivityOptions& options = {});

}  // namespace punctual::optimize
