// Which of the int8 files that were found is taken: of those that pass the gate, the one with the most codes.
#pragma once

#include <string>

#include "optimize/int8_search.h"
#include "optimize/judge_variants.h"
#include "punctual/result.h"

namespace punctual::optimize {

// A file to be judged as "int8".
Candidate Int8Candidate(const Subject& subject, const Gate& gate, const std::string& onnx);

// Judges Int8Search::files on the held-out samples, by each of the subject's backends, one after the other from the
// most faithful on, until one does not pass (HasPassed), and takes the last that did, or else the first. None is judged
// behind one that did not pass, so several tries let in a file that is not good enough no more often than one does: to
// take such a file, the first such must pass. Errors of JudgeUntimed.
Result<void> TakeInt8(const JudgeRequest& request, const Gate& gate, Int8Search& search);

}  // namespace punctual::optimize
