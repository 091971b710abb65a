// Whether a variant may stand in for its model: only if it is good enough for certain, not if it may be.
#pragma once

#include <string>
#include <string_view>

#include "optimize/compare.h"
#include "punctual/result.h"

namespace punctual::optimize {

// What a variant may lose where nobody says.
inline constexpr double kMaxAccuracyDrop = 0.005, kMaxStudentAccuracyDrop = 0.1;

// kInvalidArgument, naming the option: the limit is no share.
Result<void> CheckLimit(std::string_view option, double limit);

struct GateDecision {
  bool passed = false;
  bool too_bad = false;  // for certain: the interval's lower end is beyond the limit
  // What was judged, against what, and by how much it failed; one line for people.
  std::string text;
};

// How far apart the two are, whatever labels say: the share of other classes, or the relative difference, with the
// interval that Judge takes.
Estimate DifferenceOf(const Comparison& comparison);

// Judges, where there are labels, the right answers that were lost (Accuracy::lost); where there are none, the share of
// other classes; of answers that are one number, their relative difference. It passes if the interval's upper end is at
// or below `limit`, a share (0.01: one point of a hundred), which the user set by `option`. Where
// samples give an interval without width, say because all agree, its upper end is 3 / n beyond (the rule of three), n
// as Comparison::independent counts them: a few samples say little. One that is not a number lets nothing pass.
GateDecision Judge(const Comparison& comparison, double limit, std::string_view option);

}  // namespace punctual::optimize
