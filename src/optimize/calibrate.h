// Which numbers go through a model on recorded questions: what the codes of an int8 file are chosen by.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "optimize/samples.h"
#include "optimize/value_histogram.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct CalibrateOptions {
  // Samples at most; of more, every so many are taken, from the first to the last.
  std::size_t most = 1000;
  // Watches what every Conv, Gemm, activation, MaxPool and Concat gives, too: for QuantizeOptions::also_behind.
  bool also_behind = false;
  // Called now and then with how many samples were run. May be empty.
  std::function<void(std::size_t done, std::size_t of)> progress;
};

// By the name of the value in the file.
using Observations = std::map<std::string, ValueHistogram>;
using ValueRanges = std::map<std::string, ValueRange>;

// Runs the model in float, on the calling thread and by the backend "native" or, where that cannot, "openvino", on
// those of `indices`, and watches the values that Quantize asks the ranges of. Memory: 32 kB a value, and the model's.
// The same samples give the same observations on the same CPU.
//
// kInvalidArgument: the file or a weight is broken, samples of other inputs than the model's, or no samples at all;
// kFailedPrecondition: nothing in it can be quantised, or it cannot be run, say because a dimension besides the batch
// is open: with the reasons; kOutOfRange: a value is not finite, with its name and the sample. REQUIRES: each index is
// below samples.count().
Result<Observations> Calibrate(std::string_view onnx, const Samples& samples, std::span<const std::size_t> indices,
                               const CalibrateOptions& options = {});

// ChooseRange of each. A value that was the same number in all samples has none: nothing is known of its range.
ValueRanges ChooseRanges(const Observations& observations, RangeMethod method, double percentile = 99.99);

}  // namespace punctual::optimize
