// One figure of how near answers are to the model's own, without its interval: to choose by, not to judge.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "optimize/samples.h"

namespace punctual::optimize {

// Of answers that are classes, the share of equal ones; of answers that are one number, 1 - sum |candidate - reference|
// / sum |reference - its mean|. At most 1; more is better. REQUIRES: as many of the same width, at least one.
double Fidelity(const Answers& reference, const Answers& candidate);

// The mean of |candidate - reference| over all numbers. REQUIRES: as above.
double MeanDifference(const Answers& reference, const Answers& candidate);

// Of `count` indices `most` at most, evenly from the first to the last.
std::vector<std::size_t> Thinned(std::span<const std::size_t> indices, std::size_t most);

}  // namespace punctual::optimize
