#include "optimize/tier_choice.h"

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

// Users of the tier ask the student itself.
std::string TomlOf(const Tier& tier, const std::string& student) {
  return "[tiers." + (tier.name.empty() ? "NAME" : TomlKey(tier.name)) + ".models]\nSTYLE = " + TomlString(student) +
         "  # for each style that picks the model\n";
}

}  // namespace

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

std::vector<TierChoice> ChooseForTiers(const std::vector<Tier>& tiers, const std::vector<VariantRun>& runs,
                                       const std::string& student) {
  std::vector<std::string> variants;  // the most faithful first
  for (const std::string& variant :
       {runs.empty() ? "" : runs.front().variant, std::string("bf16"), std::string("int8"), std::string("student")})
    if (HasPassed(runs, variant) && (variant != "student" || !student.empty())) variants.push_back(variant);
  std::vector<TierChoice> choices;
  for (const Tier& tier : tiers) {
    TierChoice& choice = choices.emplace_back(TierChoice{tier, std::nullopt, ""});
    for (std::size_t i = 0; i < variants.size() && !choice.run; ++i)
      choice.run = QuickestWithRoom(runs, variants[i], tier.budget_ms);
    if (choice.run && runs[*choice.run].variant == "student") choice.toml = TomlOf(tier, student);
  }
  return choices;
}

}  // namespace punctual::optimize
