#include "model/manifest.h"

#include <algorithm>

#include "base/config_file.h"

namespace punctual {

namespace {

constexpr Duration kLongest = std::chrono::hours(24 * 365);
constexpr Source kRungs[] = {Source::kL1, Source::kCoalesced, Source::kModel, Source::kStale, Source::kSignal};

void ReadLadder(ConfigTable& root, Manifest& manifest) {
  if (!root.Has("ladder")) return;
  std::vector<std::string> names;
  root.Get("ladder", names);
  manifest.ladder.clear();
  for (const std::string& name : names) {
    const auto rung =
        std::find_if(std::begin(kRungs), std::end(kRungs), [&](Source s) { return SourceName(s) == name; });
    if (rung == std::end(kRungs))
      return root.Refuse("ladder", "\"" + name + "\" is not a rung; rungs are l1, coalesced, model, stale, signal");
    if (std::find(manifest.ladder.begin(), manifest.ladder.end(), *rung) != manifest.ladder.end())
      return root.Refuse("ladder", "\"" + name + "\" stands there twice");
    manifest.ladder.push_back(*rung);
  }
  const auto at = [&](Source rung) { return std::find(manifest.ladder.begin(), manifest.ladder.end(), rung); };
  const auto end = manifest.ladder.end();
  if (at(Source::kModel) == end) return root.Refuse("ladder", "must have the rung \"model\"");
  // Who finds nothing to join leads: it must compute next, or those who join it wait for nobody.
  if (at(Source::kCoalesced) != end && at(Source::kCoalesced) + 1 != at(Source::kModel))
    return root.Refuse("ladder", "\"coalesced\" must stand right before \"model\"");
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

}  // namespace

Result<Manifest> ParseManifest(std::string_view text, const std::string& path) {
  PUNCTUAL_ASSIGN(ConfigFile file, ConfigFile::Parse(text, path));
  Manifest manifest;
  ConfigTable root = file.root();
  root.Get("description", manifest.description);
  root.Get("backend", manifest.backend);
  root.Get("device", manifest.device);
  root.Get("variant", manifest.variant);
  if (manifest.variant != "fp32" && manifest.variant != "bf16") root.Refuse("variant", "must be \"fp32\" or \"bf16\"");
  ReadLadder(root, manifest);
  root.GetMs("max_age_ms", manifest.max_age, Duration(1), kLongest);
  root.GetMs("signal_max_age_ms", manifest.signal_max_age, Duration(0), kLongest);
  if (auto cache = root.Table("cache")) cache->GetMs("ttl_ms", manifest.cache_ttl, Duration(0), kLongest);
  if (auto features = root.Table("features")) ReadFeatures(*features, manifest);
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
