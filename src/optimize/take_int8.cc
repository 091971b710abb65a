#include "optimize/take_int8.h"

#include <string>
#include <utility>

#include "optimize/tier_choice.h"

namespace punctual::optimize {

namespace {

// Of the first backend by which it did not pass, or else of the first.
std::string WhatDecided(const std::vector<VariantRun>& runs, bool passed) {
  for (const VariantRun& run : runs)
    if (run.counts() && run.passed == passed) return run.gate;
  return runs.empty() ? "no backend can run it" : runs.front().refusal;
}

}  // namespace

Candidate Int8Candidate(const Subject& subject, const Gate& gate, const std::string& onnx) {
  return {"int8", onnx, "fp32", subject.backends, gate};
}

Result<void> TakeInt8(const JudgeRequest& request, const Gate& gate, Int8Search& search) {
  search.taken = 0;
  for (std::size_t i = 0; i < search.files.size(); ++i) {
    Int8File& file = search.files[i];
    JudgeRequest judging = request;
    judging.progress = [&, which = "int8 file " + std::to_string(i + 1) + " of " + std::to_string(search.files.size())](
                           const std::string& what, std::size_t done, std::size_t of) {
      if (request.progress) request.progress(which + ", held out: " + what, done, of);
    };
    PUNCTUAL_ASSIGN(const auto runs, JudgeUntimed(judging, Int8Candidate(request.subject, gate, file.onnx)));
    file.passed = HasPassed(runs, "int8");
    file.gate = WhatDecided(runs, file.passed);
    if (!file.passed) break;
    search.taken = i;
  }
  return {};
}

}  // namespace punctual::optimize
