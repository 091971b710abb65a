// Which layers of a model can be computed with codes, and how faithful the file then is.
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
  // The judge's figures that files are to have, falling: from careful to bold. REQUIRES: one at least.
  std::vector<double> levels = {0.995};
  std::size_t most_trials = 60;  // files that are judged, at most; at least 1
  // Called after each trial: what was tried, and the judge's figure. `of`: trials there may be at most. May be empty.
  std::function<void(std::size_t trials, std::size_t of, const std::string& tried, double fidelity)> progress;
};

// A file: Quantize makes it of the same model and ranges.
struct LayersInFloat {
  double fidelity = 0;              // the judge's figure
  std::vector<std::string> layers;  // in the order of the model; all others that can have codes have them
};

struct Sensitivity {
  // Each with codes in the layers of the one before and in more, for the levels that something reaches. Where not even
  // the last is reached, the best that was found alone.
  std::vector<LayersInFloat> files;
  bool good_enough = false;  // a level was reached
  double of_all = 0;         // the figure of the file with codes in all layers
  std::size_t trials = 0;
};

// Judges the file with codes in all layers; where the first level asks for more, each layer alone (of many, those with
// the most weights, with half of the trials). Then, for one level after the other, those still in float get codes one
// by one, the best first, of equally good ones that with the most weights, and last together those that were not judged
// alone; what takes the file below the level stays in float. Errors: those of Quantize and of the judge.
Result<Sensitivity> FindLayersForCodes(std::string_view onnx, const ValueRanges& ranges, const JudgeFile& judge,
                                       const SensitivityOptions& options = {});

}  // namespace punctual::optimize
