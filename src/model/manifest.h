// model.toml: what a model's folder declares. docs/models.md lists every key.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
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

struct Manifest {
  std::string description;
  std::string backend = "openvino";
  std::string device = "CPU";
  std::string variant = "fp32";
  // In order of preference; see answer/ladder.h.
  std::vector<Source> ladder = {Source::kL1, Source::kCoalesced, Source::kModel, Source::kStale, Source::kSignal};
  Duration max_age = std::chrono::seconds(5);  // no answer is about older books
  Duration signal_max_age{};                   // older signals are not given; 0: they are, whatever their age
  Duration cache_ttl = std::chrono::seconds(300);
  std::string feature_input;               // the input that `features` fill
  std::optional<FeatureSpec> features;     // none: the model takes tensors only
  std::vector<OutputDeclaration> outputs;  // empty: all outputs of the file

  bool HasRung(Source rung) const { return std::find(ladder.begin(), ladder.end(), rung) != ladder.end(); }
};

// kInvalidArgument names the file, the line and the key.
Result<Manifest> ParseManifest(std::string_view text, const std::string& path);

}  // namespace punctual
