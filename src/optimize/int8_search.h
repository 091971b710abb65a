// The search for a model's int8 files: each way to choose the codes' ranges is tried, each with codes in more and more
// layers, and the best for each of some figures of fidelity is made.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optimize/quantize.h"
#include "optimize/samples.h"
#include "optimize/sensitivity.h"
#include "optimize/subject.h"
#include "optimize/work_folder.h"
#include "punctual/result.h"

namespace punctual::optimize {

// What one way to choose ranges came to.
struct Int8Trial {
  std::string method;                // "min-max", "percentile" or "mse"
  double of_all = 0;                 // fidelity with codes in all layers
  std::vector<LayersInFloat> files;  // as of FindLayersForCodes
  std::size_t files_judged = 0;
};

struct Int8File {
  std::string method;
  std::optional<double> level;  // of Int8SearchRequest, that it was made for; none: it reaches none
  double fidelity = 0;          // on the samples that it was searched on
  std::string onnx;
  std::vector<LayerReport> layers;
  // By TakeInt8:
  bool passed = false;
  std::string gate;  // why, or why not; empty: it was not judged
};

struct LayerError {
  std::string layer;
  double mean_difference = 0;  // of the answers' numbers, with codes in this layer alone
};

struct Int8Search {
  std::string failure;          // why there is no file; empty: there is one at least
  std::vector<double> levels;   // fidelity that was asked for, falling
  bool good_enough = false;     // each file has that of one of the levels; else there is one, the best that was found
  std::size_t samples = 0;      // that files were searched on
  std::vector<Int8File> files;  // from the most faithful on, each with fewer weights in float than the one before
  std::size_t taken = 0;        // of `files`
  std::vector<Int8Trial> trials;
  std::vector<LayerError> layer_error;  // by the ranges of the first file; the worst first

  const Int8File& file() const { return files[taken]; }
};

struct Int8SearchRequest {
  const Subject& subject;
  const Samples& samples;
  const Parts& parts;
  const Answers& of_search;  // the model's answers to parts.search, in their order
  // Fidelity that files should have, falling: of each, the one with the fewest weights in float is made.
  std::vector<double> levels = {0.995};
  // Called with what is being done, and how far it is. May be empty.
  std::function<void(const std::string& what, std::size_t done, std::size_t of)> progress;
};

// Ranges are of parts.fit, fidelity is of parts.search (some 2,000 samples, evenly), computed by the first of the
// subject's backends that can. Each finished method is kept in `work`, and read from there by the next run. A model
// that has nothing to quantise is no error, but a `failure`; one that is quantised already, of an opset below 13 or
// with weights outside of its file is one; else the errors of Calibrate, Quantize and RunModel.
Result<Int8Search> FindInt8(const Int8SearchRequest& request, WorkFolder& work);

}  // namespace punctual::optimize
