// Whether a model is right as often as it says it is.
#pragma once

#include <cstdint>
#include <span>

#include "optimize/samples.h"

namespace punctual::optimize {

// The first of the largest.
std::size_t LargestOf(std::span<const float> numbers);

// Whether each answer is a distribution: no number below 0, a sum of 1 (to 1e-3).
bool AreProbabilities(const Answers& answers);

// The expected calibration error: of 15 bins of confidence (that of the largest number), as wide as each other, the
// mean of |share of right answers - mean confidence|, each weighing as many answers as it has (Guo, Pleiss, Sun,
// Weinberger, "On calibration of modern neural networks", 2017). `truth`: of each answer, the class that is right;
// kNoLabel: left out. `softmax`: the numbers are scores, and confidence is their softmax. 0 where no class is known.
// REQUIRES: truth.size() == answers.count().
double CalibrationError(const Answers& answers, std::span<const std::int32_t> truth, bool softmax);

}  // namespace punctual::optimize
