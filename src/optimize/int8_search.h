// The search for a model's int8 file: each way to choose the codes' ranges is tried, each with the layers left in float
// that it takes, and the best of what came out is taken.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "optimize/quantize.h"
#include "optimize/samples.h"
#include "optimize/subject.h"
#include "optimize/work_folder.h"
#include "punctual/result.h"

namespace punctual::optimize {

// What one way to choose ranges came to.
struct Int8Trial {
  std::string method;                 // "min-max", "percentile" or "mse"
  double fidelity = 0;                // of its file, on the samples that it was searched on
  double of_all = 0;                  // with codes in all layers
  bool passed = false;                // fidelity >= Int8Search::least
  std::vector<std::string> in_float;  // layers that were left
  std::size_t files_judged = 0;
};

struct LayerError {
  std::string layer;
  double mean_difference = 0;  // of the answers' numbers, with codes in this layer alone
};

struct Int8Search {
  std::string failure;  // why there is no file; empty: there is one
  std::string onnx;
  std::size_t method = 0;   // of `trials`: the one whose file it is
  double least = 0;         // fidelity that a file should have
  std::size_t samples = 0;  // that files were judged on
  std::vector<Int8Trial> trials;
  std::vector<LayerReport> layers;      // of the file
  std::vector<LayerError> layer_error;  // the worst first
};

struct Int8SearchRequest {
  const Subject& subject;
  const Samples& samples;
  const Parts& parts;
  const Answers& of_search;  // the model's answers to parts.search, in their order
  double least = 0.995;
  // Called with what is being done, and how far it is. May be empty.
  std::function<void(const std::string& what, std::size_t done, std::size_t of)> progress;
};

// Of the trials that passed, the one with the fewest weights in float, then the most faithful; of none that did, the
// most faithful. Ranges are of parts.fit, fidelity is of parts.search (some 2,000 samples, evenly), computed by the
// first of the subject's backends that can. Each finished method is kept in `work`, and read from there by the next
// run. A model that has nothing to quantise is no error, but a `failure`; one that is quantised already, of an opset
// below 13 or with weights outside of its file is one; else the errors of Calibrate, Quantize and RunModel.
Result<Int8Search> FindInt8(const Int8SearchRequest& request, WorkFolder& work);

}  // namespace punctual::optimize
