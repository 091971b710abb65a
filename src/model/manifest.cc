#include "model/manifest.h"

#include <algorithm>
#include <limits>

#include "base/config_file.h"

namespace punctual {

namespace {

constexpr Duration kLongest = std::chrono::hours(24 * 365);
constexpr Source kRungs[] = {Source::kL1,    Source::kL2,      Source::kSemantic, Source::kCoalesced, Source::kL3,
                             Source::kModel, Source::kStudent, Source::kStale,    Source::kSignal};

void ReadLadder(ConfigTable& root, Manifest& manifest) {
  if (!root.Has("ladder")) return;
  std::vector<std::string> names;
  root.Get("ladder", names);
  manifest.ladder.clear();
  for (const std::string& name : names) {
    const auto rung =
        std::find_if(std::begin(kRungs), std::end(kRungs), [&](Source s) { return SourceName(s) == name; });
    if (rung == std::end(kRungs))
      return root.Refuse(
          "ladder",
          "\"" + name + "\" is not a rung; rungs are l1, l2, semantic, coalesced, l3, model, student, stale, signal");
    if (std::find(manifest.ladder.begin(), manifest.ladder.end(), *rung) != manifest.ladder.end())
      return root.Refuse("ladder", "\"" + name + "\" stands there twice");
    manifest.ladder.push_back(*rung);
  }
  const auto at = [&](Source rung) { return std::find(manifest.ladder.begin(), manifest.ladder.end(), rung); };
  const auto end = manifest.ladder.end();
  if (at(Source::kModel) == end) return root.Refuse("ladder", "must have the rung \"model\"");
  // Who finds nothing to join leads: it must fetch or compute next, or those who join it wait for nobody.
  if (at(Source::kCoalesced) != end) {
    auto next = at(Source::kCoalesced) + 1;
    if (next != end && *next == Source::kL3) ++next;
    if (next == end || *next != Source::kModel)
      return root.Refuse("ladder", "\"coalesced\" must stand right before \"model\" or before \"l3\", \"model\"");
  }
  if (at(Source::kL3) != end && at(Source::kL3) > at(Source::kModel))
    return root.Refuse("ladder", "\"l3\" must stand before \"model\"");
}

// The rung of approximate answers is there if the manifest allows these, and only then: between what is exact and what
// takes time, unless the ladder says otherwise.
void FitLadderToSemantic(ConfigTable& root, Manifest& manifest) {
  const bool approximate = manifest.semantic && manifest.semantic->kind == SemanticSpec::Kind::kApproximate;
  if (approximate == manifest.HasRung(Source::kSemantic)) return;
  if (!approximate)
    return root.Refuse(
        "ladder", "has the rung \"semantic\", for which there must be a table [semantic] of the kind \"approximate\"");
  if (root.Has("ladder"))
    return root.Refuse("ladder", "must have the rung \"semantic\", or else there should be no table [semantic]");
  manifest.ladder.insert(std::find(manifest.ladder.begin(), manifest.ladder.end(), Source::kCoalesced),
                         Source::kSemantic);
}

// The rung of the student is there if the manifest names one, and only then: right below the model, unless the ladder
// says otherwise.
void FitLadderToStudent(ConfigTable& root, Manifest& manifest) {
  if (manifest.student.empty() != manifest.HasRung(Source::kStudent)) {
    if (std::find(manifest.ladder.begin(), manifest.ladder.end(), Source::kStudent) <
        std::find(manifest.ladder.begin(), manifest.ladder.end(), Source::kModel))
      root.Refuse("ladder", "\"student\" must stand after \"model\"");
    return;
  }
  if (manifest.student.empty())
    return root.Refuse("ladder", "has the rung \"student\"; name the student: student = \"MODEL\"");
  if (root.Has("ladder"))
    return root.Refuse("ladder", "must have the rung \"student\", or else there should be no key student");
  manifest.ladder.insert(std::find(manifest.ladder.begin(), manifest.ladder.end(), Source::kModel) + 1,
                         Source::kStudent);
}

void ReadFeatures(ConfigTable& table, Manifest& manifest) {
  FeatureSpec spec;
  std::int64_t window = 1, levels = 10;
  table.Get("input", manifest.feature_input);
  if (manifest.feature_input.empty()) table.Refuse("input", "must name the model's input that the features fill");
  table.Get("window", window, 1, 100'000);
  table.Get("levels", levels, 1, kMaxBookLevels);
  table.Get("columns", spec.columns);
  table.Get("mean", spec.mean);
  table.Get("std", spec.std);
  table.Get("clip", spec.clip, 0, 1e9);
  spec.window = static_cast<int>(window);
  spec.levels = static_cast<int>(levels);
  manifest.features = std::move(spec);
}

void ReadApproximate(ConfigTable& table, Duration max_age, SemanticSpec& spec) {
  for (const char* key : {"grid", "tolerance", "max_error_share"})
    if (!table.Has(key))
      table.Refuse(key, "is missing: how much an approximate answer may be off is yours to say, for instance " +
                            std::string(std::string_view(key) == "grid" ? "[0.05]" : "0.01"));
  table.Get("grid", spec.grid);
  if (table.Has("grid") &&
      (spec.grid.empty() || std::any_of(spec.grid.begin(), spec.grid.end(), [](double width) { return width <= 0; })))
    table.Refuse(
        "grid", "must be numbers above 0: one for all columns, for instance [0.05], or one a column, [0.05, 0.1, ...]");
  spec.max_age = max_age;
  table.GetMs("max_age_ms", spec.max_age, Duration(1), kLongest);
  if (spec.max_age > max_age)
    table.Refuse("max_age_ms", "must be at most the manifest's own max_age_ms, which is " +
                                   NumberText(static_cast<double>(max_age.count()) / 1e6));
  table.Get("audit_share", spec.audit_share, 0, 1);
  table.Get("tolerance", spec.tolerance, 0, std::numeric_limits<double>::max());
  table.Get("max_error_share", spec.max_error_share, 0, 1);
}

void ReadSemantic(ConfigTable& table, Manifest& manifest) {
  SemanticSpec spec;
  std::string kind;
  table.Get("kind", kind);
  if (!table.Has("kind"))
    table.Refuse("kind", "is missing; it is \"exact\" or \"approximate\"");
  else if (kind != "exact" && kind != "approximate")
    table.Refuse("kind", "must be \"exact\" or \"approximate\"");
  const bool exact = kind == "exact";
  // Numbers of bf16 are too coarse to stand for codes: a code's own value would be rounded into another code.
  if (exact && manifest.variant == "bf16")
    table.Refuse("kind", "\"exact\" does not go with the variant \"bf16\"; take \"fp32\"");
  for (const char* key : {"grid", "tolerance", "max_error_share", "max_age_ms", "audit_share"})
    if (exact && table.Has(key)) table.Refuse(key, "is only for the kind \"approximate\"; remove it");
  if (!exact) {
    spec.kind = SemanticSpec::Kind::kApproximate;
    ReadApproximate(table, manifest.max_age, spec);
  }
  manifest.semantic = std::move(spec);
}

}  // namespace

std::string_view ModelFileName(const Manifest& manifest) {
  return manifest.variant == "int8" ? "int8.onnx" : "model.onnx";
}

std::string_view PrecisionOf(const Manifest& manifest) { return manifest.variant == "bf16" ? "bf16" : "fp32"; }

Manifest InFloat(const Manifest& manifest) {
  Manifest in_float = manifest;
  in_float.variant = "fp32";
  in_float.ladder = {Source::kModel};
  in_float.student.clear();
  in_float.shadow_share = 0;
  in_float.semantic.reset();
  return in_float;
}

Result<Manifest> ParseManifest(std::string_view text, const std::string& path) {
  PUNCTUAL_ASSIGN(ConfigFile file, ConfigFile::Parse(text, path));
  Manifest manifest;
  ConfigTable root = file.root();
  root.Get("description", manifest.description);
  root.Get("backend", manifest.backend);
  root.Get("device", manifest.device);
  root.Get("variant", manifest.variant);
  if (manifest.variant != "fp32" && manifest.variant != "bf16" && manifest.variant != "int8")
    root.Refuse("variant", "must be \"fp32\", \"bf16\" or \"int8\"");
  ReadLadder(root, manifest);
  root.Get("student", manifest.student);
  root.Get("shadow_share", manifest.shadow_share, 0, 1);
  if (manifest.shadow_share > 0 && manifest.student.empty() && !manifest.HasReference())
    root.Refuse("shadow_share",
                "there is nothing to compare; name a student (student = \"MODEL\"), serve a variant of the model's "
                "float file (variant = \"int8\" or \"bf16\"), or remove the key");
  root.GetMs("max_age_ms", manifest.max_age, Duration(1), kLongest);
  root.GetMs("signal_max_age_ms", manifest.signal_max_age, Duration(0), kLongest);
  if (auto cache = root.Table("cache")) cache->GetMs("ttl_ms", manifest.cache_ttl, Duration(0), kLongest);
  if (auto features = root.Table("features")) ReadFeatures(*features, manifest);
  if (auto semantic = root.Table("semantic")) ReadSemantic(*semantic, manifest);
  FitLadderToSemantic(root, manifest);
  FitLadderToStudent(root, manifest);
  for (ConfigTable& table : root.Tables("outputs")) {
    OutputDeclaration output;
    table.Get("name", output.name);
    table.Get("meaning", output.meaning);
    table.Get("classes", output.classes);
    if (output.name.empty()) table.Refuse("name", "must name an output of the model file");
    manifest.outputs.push_back(std::move(output));
  }
  PUNCTUAL_TRY(file.Finish());
  return manifest;
}

}  // namespace punctual
