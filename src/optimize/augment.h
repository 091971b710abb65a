// Questions besides the recorded ones, answered by the model itself: a student learns from them how the model goes on
// between recorded samples and beside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "optimize/samples.h"
#include "optimize/student_view.h"
#include "optimize/training_set.h"
#include "punctual/result.h"

namespace punctual::optimize {

// What the model answers to each of the samples. Called on the caller's thread.
using Labeller = std::function<Result<Answers>(const Samples&)>;

struct AugmentOptions {
  // Added questions for each of the given samples; in all at most `most`.
  double interpolated = 1;  // at a random place between a sample and the next one of its symbol
  double noised = 1;        // a sample with noise of `noise` deviations of each of its numbers
  double noise = 0.05;
  std::size_t most = 200'000;
  std::uint64_t seed = 1;
  // Called now and then with how many questions were answered. May be empty.
  std::function<void(std::size_t done, std::size_t of)> progress;
};

// A set for each of the views, as it sees the added questions. They are made from the samples `fit`, in the order of
// time. A view that is not made from the model's input cannot see noise, and gets interpolated questions alone; its row
// of one is the interpolation of its rows, which is near to, though not quite, what its columns would be.
// kInvalidArgument: an option out of range; the labeller's errors. REQUIRES: samples of one float32 input, as the views
// are made of.
Result<std::vector<TrainingSet>> Augment(const Samples& samples, std::span<const std::size_t> fit,
                                         std::span<const StudentView> views, const Labeller& labeller,
                                         const AugmentOptions& options);

}  // namespace punctual::optimize
