// model.toml: what a model's folder declares. docs/models.md lists every key.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "features/features.h"
#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

struct OutputDeclaration {
  std::string name;
  std::string meaning;               // for people
  std::vector<std::string> classes;  // what each element stands for; empty: not said
};

// Which inputs that are not equal may share an answer: `exact`, those that the model file cannot tell apart
// (model/input_codes.h); `approximate`, those of one cell of a grid (model/input_grid.h), whose answers say so.
struct SemanticSpec {
  enum class Kind { kExact, kApproximate };
  Kind kind = Kind::kExact;
  // Of approximate ones alone:
  std::vector<double> grid;    // a cell's width, in the input's units: one for all columns, or one a column
  Duration max_age{};          // none is given whose books are older; at most the manifest's own max_age
  double audit_share = 0.01;   // of those given, computed again to see what they are worth
  double tolerance = 0;        // by how much a number may be off
  double max_error_share = 0;  // of the audited ones that differ; above it no more are given
};

struct Manifest {
  std::string description;
  std::string backend = "auto";  // a backend's name, or "auto": model/backend_choice.h
  std::string device = "CPU";
  std::string variant = "fp32";  // "fp32", "bf16", or "int8", which has a file of its own
  // In order of preference; see answer/ladder.h.
  std::vector<Source> ladder = {Source::kL1,    Source::kL2,    Source::kCoalesced, Source::kL3,
                                Source::kModel, Source::kStale, Source::kSignal};
  std::string student;  // the repository's simpler model of the same question (model/student.h); empty: none
  // Of the model's own answers, also asked of the student and, of another variant than fp32, of the model's float file;
  // see model/shadow_comparison.h.
  double shadow_share = 0;
  Duration max_age = std::chrono::seconds(5);  // no answer is about older books
  Duration signal_max_age{};                   // older signals are not given; 0: they are, whatever their age
  Duration cache_ttl = std::chrono::seconds(300);
  std::string feature_input;               // the input that `features` fill
  std::optional<FeatureSpec> features;     // none: the model takes tensors only
  std::vector<OutputDeclaration> outputs;  // empty: all outputs of the file
  std::optional<SemanticSpec> semantic;    // none: only equal inputs share an answer

  // Its answers are compared with those of its float file.
  bool HasReference() const { return shadow_share > 0 && variant != "fp32"; }
  bool HasRung(Source rung) const { return std::find(ladder.begin(), ladder.end(), rung) != ladder.end(); }
};

// The file of a version that the variant is computed from, and the precision of what its graph leaves in float.
std::string_view ModelFileName(const Manifest& manifest);
std::string_view PrecisionOf(const Manifest& manifest);
// The same question, answered in float by the model alone.
Manifest InFloat(const Manifest& manifest);

// kInvalidArgument names the file, the line and the key.
Result<Manifest> ParseManifest(std::string_view text, const std::string& path);

}  // namespace punctual
