#include "optimize/tier_choice.h"

#include "base/config_file.h"
#include "optimize/toml_text.h"

namespace punctual::optimize {

namespace {

// Of a variant's runs that have room, the quicker one.
std::optional<std::size_t> QuickestWithRoom(const std::vector<VariantRun>& runs, const std::string& variant,
                                            double budget_ms) {
  std::optional<std::size_t> quickest;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].variant != variant || !runs[i].counts() || !HasRoom(runs[i], budget_ms)) continue;
    if (!quickest || runs[i].latency.warm.p50_us < runs[*quickest].latency.warm.p50_us) quickest = i;
  }
  return quickest;
}

}  // namespace

std::string TextOf(const std::vector<Tier>& tiers) {
  std::string text;
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    const std::string budget = NumberText(tiers[i].budget_ms) + " ms";
    text += (i == 0                  ? ""
             : i + 1 == tiers.size() ? " and "
                                     : ", ") +
            (tiers[i].name.empty() ? budget : tiers[i].name + " (" + budget + ")");
  }
  return text;
}

std::string TomlOf(const TierChoice& choice) {
  if (choice.model.empty()) return "";
  return "[tiers." + (choice.tier.name.empty() ? "NAME" : TomlKey(choice.tier.name)) +
         ".models]\nSTYLE = " + TomlString(choice.model) + "  # for each style that picks the model\n";
}

std::vector<ConfigurationLines> LinesOf(const std::vector<TierChoice>& choices) {
  std::vector<ConfigurationLines> lines;
  for (const TierChoice& choice : choices) {
    const std::string toml = TomlOf(choice);
    if (toml.empty()) continue;
    if (lines.empty() || lines.back().toml != toml) lines.push_back({{}, toml});
    lines.back().tiers.push_back(choice.tier);
  }
  return lines;
}

bool HasRoom(const VariantRun& run, double budget_ms) {
  return run.latency.busy.p99_us <= kMostOfBudget * 1e3 * budget_ms;
}

bool HasPassed(const std::vector<VariantRun>& runs, const std::string& variant) {
  bool any = false, all = true;
  for (const VariantRun& run : runs) {
    if (run.variant != variant || !run.counts()) continue;
    any = true;
    all = all && run.passed;
  }
  return any && all;
}

bool HasRoom(const std::vector<VariantRun>& runs, const std::string& variant, double budget_ms) {
  return HasPassed(runs, variant) && QuickestWithRoom(runs, variant, budget_ms).has_value();
}

std::vector<TierChoice> ChooseForTiers(const std::vector<Tier>& tiers, const std::vector<VariantRun>& runs) {
  std::vector<std::string> variants;  // the most faithful first
  for (const std::string& variant :
       {runs.empty() ? "" : runs.front().variant, std::string("bf16"), std::string("int8"), std::string("student")})
    if (HasPassed(runs, variant)) variants.push_back(variant);
  std::vector<TierChoice> choices;
  for (const Tier& tier : tiers) {
    TierChoice& choice = choices.emplace_back(TierChoice{tier, std::nullopt, ""});
    for (std::size_t i = 0; i < variants.size() && !choice.run; ++i)
      choice.run = QuickestWithRoom(runs, variants[i], tier.budget_ms);
  }
  return choices;
}

}  // namespace punctual::optimize
