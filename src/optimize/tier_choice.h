// What each tier's users should be answered by: the most faithful that has room in the tier's budget.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "optimize/variant_run.h"

namespace punctual::optimize {

// A budget that answers are given within, from a request to its answer, and whose it is.
struct Tier {
  std::string name;  // as a server's configuration has it; empty: nobody's yet
  double budget_ms = 0;
  // Set: a server has the tier because its configuration declares none. Once that declares one, those are all.
  std::optional<double> weight = std::nullopt;
  // The models that the configuration lets its users ask, before those of their styles.
  std::vector<std::string> asks = {};
};

struct TierChoice {
  Tier tier;
  std::optional<std::size_t> run;  // of the runs; none has room
  // Whom its users have to ask by name: the folder of a variant that the model's own does not serve. Empty: nobody
  // else.
  std::string model;
};

// "premium (15 ms), 25 ms and basic (50 ms)".
std::string TextOf(const std::vector<Tier>& tiers);

// What a server's configuration has to say for each of them; empty: nothing. Where one has to be said something, those
// that are not declared have to be.
std::vector<std::string> TomlOf(const std::vector<TierChoice>& choices);

struct ConfigurationLines {
  std::vector<Tier> tiers;  // neighbours that have the same: such as have no name
  std::string toml;
};
// Of the choices for which it has to say something.
std::vector<ConfigurationLines> LinesOf(const std::vector<TierChoice>& choices);

// The most of a budget that one inference may take, at the 99th percentile, busy. A server keeps back up to a quarter
// for replying (ReplyReserve) and up to a quarter for the student (KeptForStudent): what it leaves at least is half.
// Where it keeps back little, the other half is for features, and for a worker that begins another inference first.
inline constexpr double kMostOfBudget = 0.5;

// Of a variant's runs that by the backend which a server with backend = "auto" takes: by warm medians, as
// model/backend_choice.h does by its own. None: no backend counts.
std::optional<std::size_t> ServedRun(const std::vector<VariantRun>& runs, const std::string& variant);

// REQUIRES: it can run and was timed.
bool HasRoom(const VariantRun& run, double budget_ms);

// Of the runs of a variant that passed by every backend that counts: the model's own (that of the first run) before
// bf16, that before int8, that before the student; of one variant by the backend that a server takes, or not at all.
// In the order of `tiers`, without the names of models. Pure.
std::vector<TierChoice> ChooseForTiers(const std::vector<Tier>& tiers, const std::vector<VariantRun>& runs);

// Whether a variant passed and has room, by the backend that a server takes.
bool HasRoom(const std::vector<VariantRun>& runs, const std::string& variant, double budget_ms);

// Every backend that counts, one at least, passed.
bool HasPassed(const std::vector<VariantRun>& runs, const std::string& variant);

}  // namespace punctual::optimize
