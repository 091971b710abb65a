// What a student takes, from books to answer.
#pragma once

#include <optional>
#include <string>

#include "features/features.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct StudentTime {
  double typical_us = 0;  // the best of several turns' means, since whatever else the machine does only adds
  double p99_us = 0;      // of single answers, with whatever else the machine did
};

// Of one answer on the calling thread: computing `features` (if there are any) from simulated books, and running the
// file on the backend that "auto" would choose. The errors of ChooseBackend and of FeaturePlan::Make. Takes some 60 ms.
Result<StudentTime> TimeStudent(const std::string& onnx, const std::optional<FeatureSpec>& features);

}  // namespace punctual::optimize
