// A file of a model, computed by one backend: how faithful, and how quick. Plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "optimize/compare.h"
#include "optimize/tune.h"

namespace punctual::optimize {

// Of answers whose confidence lies in one of ten bins: how many, how confident on average, and the share of right ones.
struct ConfidenceBin {
  std::size_t count = 0;
  double confidence = 0, right = 0;
};

struct VariantRun {
  std::string variant;  // "fp32", "bf16", "int8" or "student"
  std::string backend;
  std::string refusal;                 // why it cannot run; empty: it can, and all below is known
  std::optional<Comparison> fidelity;  // with the reference, on the held-out samples
  // Of a file's further backends: how near to the first one's their answers are (fidelity.h).
  std::optional<double> like_first;
  bool unlike = false;  // too far from them: one of the two is wrong
  bool passed = false;  // the gate; the model's own precision is not judged
  std::string gate;     // what was judged and how it ended, one line
  Timed latency;
  std::vector<ConfidenceBin> confidence;  // of classes that are probabilities; else empty

  // It can run, and "auto" may take it: not a backend that computes an int8 file otherwise than the native one.
  bool counts() const { return refusal.empty() && !(variant == "int8" && unlike); }
};

}  // namespace punctual::optimize
