// How much of a budget is kept for the student of a model.
#pragma once

#include <algorithm>

#include "model/served_model.h"

namespace punctual {

// `expected`: what the student takes, its p95. Zero: it is not begun. A student that takes longer lately than it did at
// load would hold up the thread that it runs on, which may be the timer's, and keeping its time would leave none for
// the model.
inline Duration KeptForStudent(Duration expected, Duration budget) {
  constexpr int kPart = 4;
  constexpr Duration kMost = 2 * ServedModel::kQuick;  // also of a long budget
  // Between the end of waiting and the student's own time: the hand-over to it.
  constexpr Duration kMargin = std::chrono::microseconds(50);
  const Duration takes = expected + kMargin;
  return takes <= std::min(budget / kPart, kMost) ? takes : Duration::zero();
}

}  // namespace punctual
