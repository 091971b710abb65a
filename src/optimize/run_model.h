// A model's answers to samples.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "model/backend.h"
#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct RunModelOptions {
  std::string output;  // whose numbers; empty: the first of the file
  // Called now and then with how many samples were answered. May be empty.
  std::function<void(std::size_t done, std::size_t of)> progress;
};

// Of each of `indices` in their order, asked one by one on the calling thread, as the server asks. Inputs are matched
// by name. kInvalidArgument: samples of other inputs than the model's, no such output, or one that is not of floats;
// kOutOfRange: an answer that is not finite, with the sample; else what the backend says. REQUIRES: each index is below
// samples.count().
Result<Answers> RunModel(CompiledModel& model, const Samples& samples, std::span<const std::size_t> indices,
                         const RunModelOptions& options = {});

}  // namespace punctual::optimize
