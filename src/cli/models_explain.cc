// punctual models explain: which model answers a user, why that one, and whether it has the time.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "answer/ladder.h"
#include "answer/reply_reserve.h"
#include "base/clock.h"
#include "base/config_file.h"
#include "cli/models.h"
#include "engine/student_time.h"
#include "load/text_table.h"
#include "users/directory.h"

namespace punctual {

namespace {

struct Flags {
  std::string config, user;
};

// A configuration, and what its models came to.
struct Look {
  EngineOptions options;
  std::vector<ModelStatus> models;

  // Null: it is not in the repository.
  const ModelStatus* Find(const std::string& name) const {
    const auto found = std::find_if(models.begin(), models.end(), [&](const ModelStatus& m) { return m.name == name; });
    return found == models.end() ? nullptr : &*found;
  }
};

// "12.3 us", "1.234 ms".
std::string TimeText(Duration time) {
  return time < std::chrono::milliseconds(1) ? load::Fixed(Microseconds(time), 1) + " us"
                                             : load::Fixed(Milliseconds(time), 3) + " ms";
}

// What becomes of a budget where nobody waits for a worker.
struct Parts {
  Duration reply{};    // kept back for replying
  Duration student{};  // kept for the student; zero: none is begun
  Duration model{};    // the rest
  Duration room{};     // what the model's p95 leaves of that; below zero: it does not fit
};

Parts PartsOf(const Look& look, Duration budget, const ModelStatus& model) {
  Parts parts;
  parts.reply = ReplyReserve::Of(budget, look.options.reply_reserve);
  if (const ModelStatus* student = look.Find(model.student)) parts.student = KeptForStudent(student->expected, budget);
  parts.model = budget - parts.reply - parts.student;
  parts.room = parts.model - model.expected;
  return parts;
}

std::string RoomText(const Parts& parts) {
  return parts.room >= Duration::zero() ? "fits, " + TimeText(parts.room) + " to spare"
                                        : "does not fit, " + TimeText(-parts.room) + " too long";
}

bool IsServed(const ModelStatus* model) { return model != nullptr && !model->version.empty(); }

// What is wrong with a model, for people; none: nothing.
std::vector<std::string> ErrorsOf(const Look& look, const std::string& name) {
  const ModelStatus* model = look.Find(name);
  if (model == nullptr) {
    std::string names;
    for (const ModelStatus& known : look.models) names += (names.empty() ? "" : ", ") + known.name;
    return {"not in the repository; there are: " + (names.empty() ? "none" : names)};
  }
  std::vector<std::string> errors;
  if (!model->error.empty()) errors.push_back((IsServed(model) ? "a newer version was refused: " : "") + model->error);
  if (!model->student_error.empty()) errors.push_back(model->student_error);
  return errors;
}

// The rungs that there are with this configuration, in order.
std::string RungsOf(const Look& look, const ModelStatus& model, const Parts& parts, bool only_without_time) {
  std::string rungs;
  for (const Source rung : model.ladder) {
    if (only_without_time && TakesTime(rung)) continue;
    std::string what;
    switch (rung) {
      case Source::kL1: what = look.options.memory_cache_bytes > 0 ? "memory" : ""; break;
      case Source::kL2: what = look.options.disk_cache ? "disk" : ""; break;
      case Source::kL3: what = look.options.redis ? "Redis" : ""; break;
      case Source::kCoalesced: what = "joins one under way"; break;
      case Source::kModel: what = model.name; break;
      case Source::kStudent: what = parts.student > Duration::zero() ? model.student : ""; break;
      case Source::kStale: what = "last known good"; break;
      case Source::kSignal: what = "pre-computed"; break;
      case Source::kSemantic: what = "nearly the same input"; break;
    }
    if (!what.empty()) rungs += (rungs.empty() ? "" : ", ") + std::string(SourceName(rung)) + " (" + what + ")";
  }
  return rungs.empty() ? "none" : rungs;
}

std::string ReasonOf(const UserOptions& user, PickedBy by) {
  switch (by) {
    case PickedBy::kUser: return "the user's own" + (user.where.empty() ? "" : " (" + user.where + ")");
    case PickedBy::kTier: return "the tier's for this style (tiers." + user.tier + ".models." + user.style + ")";
    case PickedBy::kStyle: return "the style's (styles." + user.style + ")";
  }
  return "";
}

std::string StudentText(const Look& look, const ModelStatus& model, const Parts& parts) {
  const ModelStatus* student = look.Find(model.student);
  if (student == nullptr) return "none";
  return model.student + ", " + TimeText(student->expected) + " expected (p95)" +
         (parts.student > Duration::zero() ? "" : "; not begun: that is too much of this budget");
}

void PrintLine(const char* label, const std::string& text) { std::printf("%-9s  %s\n", label, text.c_str()); }

// False: the model does not fit.
bool PrintModel(const Look& look, const ModelStatus& model, Duration budget) {
  const Parts parts = PartsOf(look, budget, model);
  PrintLine("version", model.version);
  PrintLine("variant", model.variant);
  PrintLine("backend", model.backend + " on " + model.device + ": " +
                           (model.backend_reason.empty() ? "the manifest names it" : model.backend_reason));
  PrintLine("inference", TimeText(model.typical) + " typical (p50), " + TimeText(model.expected) + " expected (p95), " +
                             (model.runs_inline ? "on the caller's thread" : "on a worker, once one is free"));
  PrintLine("budget",
            RoomText(parts) + ": " + TimeText(model.expected) + " of " + TimeText(parts.model) + "; " +
                TimeText(parts.reply) + " are kept for replying" +
                (parts.student > Duration::zero() ? ", " + TimeText(parts.student) + " for the student" : ""));
  PrintLine("student", StudentText(look, model, parts));
  PrintLine("ladder", RungsOf(look, model, parts, false));
  PrintLine("no time", RungsOf(look, model, parts, true));
  return parts.room >= Duration::zero();
}

bool ExplainUser(const Look& look, const UserOptions& user) {
  const TierOptions& tier = look.options.tiers.at(user.tier);
  const ModelPick pick = PickModel(user.model, tier.models, look.options.styles, user.style);
  PrintLine("user", user.name);
  PrintLine("tier", user.tier + ", a budget of " + NumberText(Milliseconds(tier.budget)) + " ms");
  PrintLine("style", user.style);
  PrintLine("model", *pick.model + ": " + ReasonOf(user, pick.by));
  const ModelStatus* model = look.Find(*pick.model);
  const bool fits = IsServed(model) && PrintModel(look, *model, tier.budget);
  for (const std::string& error : ErrorsOf(look, *pick.model)) PrintLine("error", error);
  return fits;
}

// The table of what there is for everybody.
class Overview {
 public:
  explicit Overview(const Look& look) : look_(look) {}

  void Add(const std::string& tier_name, const std::string& whom, const std::string& name, const char* picked_by) {
    const Duration budget = look_.options.tiers.at(tier_name).budget;
    const ModelStatus* model = look_.Find(name);
    std::string verdict = model == nullptr ? "not in the repository" : "refused", expected = "-";
    bool fits = false;
    if (IsServed(model)) {
      const Parts parts = PartsOf(look_, budget, *model);
      verdict = RoomText(parts);
      expected = load::Fixed(Microseconds(model->expected), 1);
      fits = parts.room >= Duration::zero();
    }
    all_fit_ = all_fit_ && fits;
    if (std::find(named_.begin(), named_.end(), name) == named_.end()) named_.push_back(name);
    table_.Add({tier_name, whom, name, picked_by, expected, NumberText(Milliseconds(budget)), verdict});
  }
  // False: not every model can be served in time.
  bool Print() const {
    std::fputs(table_.Text().c_str(), stdout);
    for (const std::string& name : named_)
      for (const std::string& error : ErrorsOf(look_, name)) std::printf("%s: %s\n", name.c_str(), error.c_str());
    return all_fit_;
  }

 private:
  const Look& look_;
  load::TextTable table_{{"tier", "style", "model", "picked by", "p95 us", "budget ms", "within the budget"}};
  std::vector<std::string> named_;
  bool all_fit_ = true;
};

bool ExplainAll(const Look& look) {
  if (look.options.styles.empty()) {
    std::printf("no style is declared under [styles]; each user needs one\n");
    return false;
  }
  std::vector<std::pair<Duration, std::string>> tiers;  // by rising budget
  for (const auto& [name, tier] : look.options.tiers) tiers.emplace_back(tier.budget, name);
  std::sort(tiers.begin(), tiers.end());
  std::map<std::string, std::map<std::string, std::size_t>> own;  // tier -> model -> users that have it as their own
  for (const UserOptions& user : look.options.users)
    if (!user.model.empty()) ++own[user.tier][user.model];
  Overview overview(look);
  for (const auto& [budget, tier] : tiers) {
    for (const auto& [style, of_style] : look.options.styles) {
      const ModelPick pick = PickModel("", look.options.tiers.at(tier).models, look.options.styles, style);
      overview.Add(tier, style, *pick.model, pick.by == PickedBy::kTier ? "tier" : "style");
    }
    for (const auto& [model, users] : own[tier])
      overview.Add(tier, load::Grouped(users) + (users == 1 ? " user" : " users"), model, "user");
  }
  return overview.Print();
}

// Done: what was asked about can be served within its budget.
Result<bool> Explain(const Flags& flags) {
  PUNCTUAL_ASSIGN(EngineOptions options, EngineOptionsFromFile(flags.config));
  const auto user = std::find_if(options.users.begin(), options.users.end(),
                                 [&](const UserOptions& known) { return known.name == flags.user; });
  // Before the models are loaded, which may take long.
  if (!flags.user.empty() && user == options.users.end()) return UnknownUser(flags.user);
  PUNCTUAL_ASSIGN(const Engine engine, OpenToLook(options));
  const Look look{options, engine.Models()};
  return flags.user.empty() ? ExplainAll(look) : ExplainUser(look, *user);
}

}  // namespace

void AddModelsExplainCommand(CLI::App& models, int& exit_code) {
  CLI::App* command =
      models.add_subcommand("explain", "Say which model answers a user, why that one, and whether it has the time");
  const auto flags = std::make_shared<Flags>();
  command->add_option("--config", flags->config, "the configuration, a TOML file")->required();
  command->add_option("--user", flags->user, "the user; default: a line for each tier and style");
  command->footer(
      "Exits with 0 if the user's model (without --user: every model) can be served within the budget, with 1 if not,\n"
      "with 2 if the configuration is wrong or the user is not known.\n\n"
      "Examples:\n"
      "  punctual models explain --config punctual.toml\n"
      "  punctual models explain --config punctual.toml --user u1");
  command->callback([flags, &exit_code] { exit_code = ExitCodeOf("punctual models explain", Explain(*flags)); });
}

}  // namespace punctual
