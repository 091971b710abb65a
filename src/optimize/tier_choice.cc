#include "optimize/tier_choice.h"

#include <algorithm>

#include "base/config_file.h"
#include "model/backend_choice.h"
#include "optimize/toml_text.h"

namespace punctual::optimize {

namespace {

// If it has room: what another backend would have had room for is nothing that anybody would get.
std::optional<std::size_t> ServedWithRoom(const std::vector<VariantRun>& runs, const std::string& variant,
                                          double budget_ms) {
  const auto served = ServedRun(runs, variant);
  return served && HasRoom(runs[*served], budget_ms) ? served : std::nullopt;
}

// "[tiers.premium": how the tables of a tier begin.
std::string TableOf(const Tier& tier) { return "[tiers." + (tier.name.empty() ? "NAME" : TomlKey(tier.name)); }

std::string DeclarationOf(const Tier& tier) {
  if (!tier.weight) return "";
  return TableOf(tier) + "]\nbudget_ms = " + NumberText(tier.budget_ms) + "\nweight = " + NumberText(*tier.weight) +
         "\n";
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

std::vector<std::string> TomlOf(const std::vector<TierChoice>& choices) {
  const bool any =
      std::any_of(choices.begin(), choices.end(), [](const TierChoice& choice) { return !choice.model.empty(); });
  std::vector<std::string> texts(choices.size());
  for (std::size_t i = 0; i < choices.size() && any; ++i) {
    const TierChoice& choice = choices[i];
    texts[i] = DeclarationOf(choice.tier);
    if (choice.model.empty()) continue;
    texts[i] += TableOf(choice.tier) + ".models]" +
                (choice.tier.name.empty() ? "  # NAME: of a tier that it declares" : "") +
                "\nSTYLE = " + TomlString(choice.model) + "  # for each style that picks the model\n";
  }
  return texts;
}

std::vector<ConfigurationLines> LinesOf(const std::vector<TierChoice>& choices) {
  const std::vector<std::string> texts = TomlOf(choices);
  std::vector<ConfigurationLines> lines;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (texts[i].empty()) continue;
    if (lines.empty() || lines.back().toml != texts[i]) lines.push_back({{}, texts[i]});
    lines.back().tiers.push_back(choices[i].tier);
  }
  return lines;
}

std::optional<std::size_t> ServedRun(const std::vector<VariantRun>& runs, const std::string& variant) {
  std::optional<std::size_t> served;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].variant != variant || !runs[i].counts()) continue;
    if (!served || runs[i].latency.warm.p50_us <= kMuchQuicker * runs[*served].latency.warm.p50_us) served = i;
  }
  return served;
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
  return HasPassed(runs, variant) && ServedWithRoom(runs, variant, budget_ms).has_value();
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
      choice.run = ServedWithRoom(runs, variants[i], tier.budget_ms);
  }
  return choices;
}

}  // namespace punctual::optimize
