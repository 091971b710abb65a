// punctual optimize: quicker variants of a model, if they are as good, and a report of what they are worth.
#include "optimize/optimize.h"

#include <unistd.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/config_file.h"
#include "cli/commands.h"
#include "cli/optimize_from_server.h"
#include "cli/stage_progress.h"
#include "load/console.h"
#include "load/text_table.h"
#include "optimize/gate.h"
#include "optimize/printed_number.h"
#include "punctual/engine.h"

namespace punctual {

namespace {

using load::Fixed;
using load::Grouped;
using optimize::Optimization;

const std::vector<double> kBudgetsMs = {15, 25, 50};  // a server's, where its configuration declares no tier

constexpr double kMostBareShare = 0.1;  // of a share without a percent sign

struct Flags {
  optimize::OptimizeOptions options;
  std::vector<double> budgets_ms;  // empty: those above
  std::optional<std::string> config;
  std::optional<std::string> max_accuracy_drop, max_student_accuracy_drop;
  bool is_from_server = false;
  FromServerOptions from_server;
  std::string seed = "1";
};

// "0.5%" or 0.005, of any range.
Result<double> ParseShare(const std::string& option, const std::string& text) {
  std::string number = text;
  const bool percent = number.ends_with('%');
  if (percent) number.pop_back();
  double share = 0;
  if (!CLI::detail::lexical_cast(number, share))
    return Fail(Code::kInvalidArgument, option + ": " + text + " is neither a share nor a percentage");
  // Who leaves out the sign means another figure, a hundred times smaller.
  if (!percent && share > kMostBareShare)
    return Fail(Code::kInvalidArgument, option + ": " + text + ": say what is meant, as a percentage: " + text +
                                            "%, or " + NumberText(100 * share) + "%");
  return percent ? share / 100 : share;
}

// By name, out of a server's configuration.
Result<std::vector<optimize::Tier>> TiersOfConfig(const std::string& path) {
  const auto options = EngineOptionsFromFile(path);
  if (options.has_error()) return Fail(Code::kInvalidArgument, "--config: " + options.error().message);
  if (options->tiers.empty())
    return Fail(Code::kInvalidArgument, "--config: " + path +
                                            ": [tiers] declares none; declare one, as [tiers.premium] with "
                                            "budget_ms = 15, or give --budget-ms");
  auto file = ConfigFile::Read(path);
  const bool declared = file.has_value() && file->root().Has("tiers");
  std::vector<optimize::Tier> tiers;
  for (const auto& [name, tier] : options->tiers) {
    optimize::Tier& read = tiers.emplace_back(optimize::Tier{name, Milliseconds(tier.budget)});
    if (!declared) read.weight = tier.weight;
    std::set<std::string> asks;
    for (const auto& [style, model] : tier.models) asks.insert(model);
    read.asks.assign(asks.begin(), asks.end());
  }
  return tiers;
}

Result<std::vector<optimize::Tier>> TiersOf(const Flags& flags) {
  if (flags.config && !flags.budgets_ms.empty())
    return Fail(Code::kInvalidArgument, "--budget-ms, --config: both say what the budgets are; leave out one of them");
  if (flags.config) return TiersOfConfig(*flags.config);
  std::vector<optimize::Tier> tiers;
  for (const double budget_ms : flags.budgets_ms.empty() ? kBudgetsMs : flags.budgets_ms)
    tiers.push_back({"", budget_ms});
  return tiers;
}

std::string FidelityCell(const optimize::VariantRun& run) {
  const optimize::Comparison& comparison = *run.fidelity;
  const auto& estimate =
      comparison.classes ? *comparison.classes->agreement.share : comparison.numbers->relative_difference;
  return optimize::PercentText(estimate);
}

std::string Table(const Optimization& found) {
  const bool numbers = !found.runs.empty() && found.runs.front().fidelity && found.runs.front().fidelity->numbers;
  load::TextTable table({"variant", "bytes", "p50 us", "p99 us", "cold p99 us", "busy p99 us",
                         numbers ? "difference" : "agreement", "gate"});
  for (const optimize::VariantRun& run : found.runs) {
    std::string bytes = "-";  // bf16 has no file of its own
    for (const optimize::VariantFile& file : found.files)
      if (file.variant == run.variant) bytes = Grouped(file.bytes);
    const std::string name = run.variant + " by " + run.backend;
    if (!run.refusal.empty()) {
      table.Add({name, bytes, "-", "-", "-", "-", "-", "cannot run"});
      continue;
    }
    table.Add({name, bytes, Fixed(run.latency.warm.p50_us, 2), Fixed(run.latency.warm.p99_us, 2),
               Fixed(run.latency.cold.p99_us, 2), Fixed(run.latency.busy.p99_us, 2), FidelityCell(run),
               run.gate.empty() ? "-"
               : run.passed     ? "passed"
                                : "failed"});
  }
  return table.Text();
}

std::string TierTable(const Optimization& found) {
  load::TextTable table({"tier", "budget ms", "most faithful with room", "busy p99 us"});
  for (const optimize::TierChoice& choice : found.choices) {
    const std::string name = choice.tier.name.empty() ? "-" : choice.tier.name;
    const std::string budget = NumberText(choice.tier.budget_ms);
    if (!choice.run) {
      table.Add({name, budget, "nothing that passed", "-"});
      continue;
    }
    const optimize::VariantRun& run = found.runs[*choice.run];
    table.Add({name, budget, run.variant + " by " + run.backend, Fixed(run.latency.busy.p99_us, 2)});
  }
  return table.Text();
}

// As a shell reads it back, in quotes where it has to be.
std::string ShellWord(const std::string& text) {
  constexpr std::string_view kPlain = "/._-+,:@%=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  if (text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

std::string HowToServe(const Optimization& found) {
  if (found.to_serve.empty()) return "to serve: nothing; the model's own folder can stay as it is";
  const auto repository = std::filesystem::path(found.model_folder).parent_path();
  std::string folders, into_links;
  for (const std::string& folder : found.to_serve) {
    const std::string made = found.out + "/" + folder;
    // cp refuses to copy a folder over a link to one.
    if (std::error_code error; std::filesystem::is_symlink(repository / folder, error))
      into_links += " && cp -r " + ShellWord(made + "/.") + " REPOSITORY/" + ShellWord(folder) + "/";
    else
      folders += " " + ShellWord(made);
  }
  if (folders.empty()) return "to serve: " + into_links.substr(4);
  return "to serve: cp -r" + folders + " REPOSITORY/" + into_links;
}

void Print(const Optimization& found) {
  std::fputs((Table(found) + TierTable(found)).c_str(), stdout);
  for (const optimize::VariantRun& run : found.runs) {
    const std::string name = run.variant + " by " + run.backend + ": ";
    if (!run.gate.empty()) std::printf("%s%s\n", name.c_str(), run.gate.c_str());
    if (!run.refusal.empty()) std::printf("%scannot run: %s\n", name.c_str(), run.refusal.c_str());
  }
  for (const std::string& note : found.notes) std::printf("note: %s\n", note.c_str());
  for (const optimize::ConfigurationLines& lines : optimize::LinesOf(found.choices))
    std::printf("\nfor %s, in the server's configuration:\n%s", optimize::TextOf(lines.tiers).c_str(),
                lines.toml.c_str());
  std::printf("\n%s\n\nreport: %s/report.html\n%s\n", found.verdict.c_str(), found.out.c_str(),
              HowToServe(found).c_str());
}

int Failed(const Error& error) {
  std::fprintf(stderr, "punctual optimize: %s\n", error.message.c_str());
  return error.code == Code::kInvalidArgument ? 2 : 1;
}

// Whatever is half done: what is kept of it is kept whole.
extern "C" void EndHere(int signal) {
  constexpr std::string_view kText = "\npunctual optimize: interrupted; the same command goes on from what is done\n";
  static_cast<void>(!::write(STDERR_FILENO, kText.data(), kText.size()));
  ::_exit(128 + signal);
}

Result<std::uint64_t> ParseSeed(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error == std::errc() && end == text.data() + text.size()) return seed;
  return Fail(Code::kInvalidArgument, "--seed: " + text + ": must be a whole number from 0 to 18446744073709551615");
}

int RecheckServer(Flags& flags) {
  FromServerOptions& options = flags.from_server;
  options.model = flags.options.model;
  if (flags.max_accuracy_drop) options.recheck.max_accuracy_drop = flags.options.max_accuracy_drop;
  if (flags.max_student_accuracy_drop)
    options.recheck.max_student_accuracy_drop = flags.options.max_student_accuracy_drop;
  options.recheck.seed = flags.options.seed;
  const auto passed = OptimizeFromServer(options);
  if (passed.has_error()) return Failed(passed.error());
  return *passed ? 0 : 1;
}

int Run(Flags& flags) {
  for (const auto& [option, text, share] :
       {std::tuple("--max-accuracy-drop", &flags.max_accuracy_drop, &flags.options.max_accuracy_drop),
        std::tuple("--max-student-accuracy-drop", &flags.max_student_accuracy_drop,
                   &flags.options.max_student_accuracy_drop)}) {
    if (!*text) continue;
    const auto parsed = ParseShare(option, **text);
    if (parsed.has_error()) return Failed(parsed.error());
    if (const auto limit = optimize::CheckLimit(option, *parsed); limit.has_error()) return Failed(limit.error());
    *share = *parsed;
  }
  const auto seed = ParseSeed(flags.seed);
  if (seed.has_error()) return Failed(seed.error());
  flags.options.seed = *seed;
  if (flags.is_from_server) return RecheckServer(flags);
  if (flags.options.model.empty()) return Failed(Fail(Code::kInvalidArgument, "MODEL_DIR: is missing"));
  if (flags.options.data.files.empty())
    return Failed(Fail(Code::kInvalidArgument,
                       "--data: is missing; give recorded order books or tensors, or --from-server to look at what a "
                       "server was asked"));
  auto tiers = TiersOf(flags);
  if (tiers.has_error()) return Failed(tiers.error());
  flags.options.tiers = std::move(tiers).value();
  Result<Optimization> found = Fail(Code::kInternal, "");
  {
    StageProgress progress;
    std::signal(SIGINT, EndHere);
    std::signal(SIGTERM, EndHere);
    flags.options.progress = [&](const std::string& stage, std::size_t done, std::size_t of) {
      progress.Show(stage, done, of);
    };
    found = optimize::Optimize(flags.options);
  }
  if (found.has_error()) return Failed(found.error());
  Print(*found);
  return 0;
}

}  // namespace

void AddOptimizeCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "optimize",
      "Make an int8 file and a student of a model, judge them on recorded data, and report what they are worth");
  const auto flags = std::make_shared<Flags>();
  optimize::OptimizeOptions& options = flags->options;
  command->add_option("MODEL_DIR", options.model, "a model's folder: model.toml, VERSION/model.onnx");
  CLI::Option* const from_server = command->add_option(
      "--from-server", flags->from_server.url,
      "instead of making anything: hold the live variants of a server's models (or of MODEL_DIR alone) against the "
      "models themselves, on what its request log has of late, and say what has moved");
  command->add_option("--report", flags->from_server.report, "with --from-server: a file for the figures, as JSON")
      ->needs(from_server);
  command
      ->add_option("--data", options.data.files,
                   "recorded order books (CSV, plain or gzip, a symbol each), or one .npy or .npz of inputs")
      ->excludes(from_server);
  command
      ->add_option("--labels", options.data.labels,
                   "what was true (CSV or .npy); without, the model's own answers are the truth")
      ->excludes(from_server);
  command
      ->add_option("--budget-ms", flags->budgets_ms,
                   "one or more: for each, the most faithful variant that has room in it is found")
      ->default_str("15 25 50")
      ->excludes(from_server);
  command
      ->add_option("--config", flags->config,
                   "the configuration of a server, in place of --budget-ms: its tiers, by name")
      ->excludes(from_server);
  command
      ->add_option("--max-accuracy-drop", flags->max_accuracy_drop,
                   "the most that int8 or bf16 may lose, 0.5% or 0.005: the upper end of a 95 % interval; with "
                   "--from-server, by default what each was let in with")
      ->default_str("0.5%");
  command
      ->add_option("--student-budget-us", options.student_budget_us,
                   "of a student's answer, features included; 0: no student")
      ->capture_default_str()
      ->excludes(from_server);
  command
      ->add_option("--max-student-accuracy-drop", flags->max_student_accuracy_drop, "the most that a student may lose")
      ->default_str("10%");
  command
      ->add_option("--out", options.out,
                   "the folder to make, a repository of the model and its student; default: MODEL_DIR-optimized")
      ->excludes(from_server);
  command->add_option("--seed", flags->seed, "same seed, data and options, same int8 file")->capture_default_str();
  command->footer(
      "The model's folder is left as it is. A run that is cut off goes on where it was when it is run again.\n\n"
      "Example:\n"
      "  punctual optimize models/deeplob --data btcusdt.csv.gz ethusdt.csv.gz --config punctual.toml\n"
      "  punctual optimize --from-server http://127.0.0.1:8080");
  command->callback([flags, from_server, &exit_code] {
    flags->is_from_server = from_server->count() > 0;
    exit_code = Run(*flags);
  });
}

}  // namespace punctual
