// punctual load: drives a server and reports how many of its answers came in time.
#include "load/load.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/commands.h"
#include "load/console.h"
#include "load/text_table.h"
#include "load/users.h"

namespace punctual {

namespace {

using load::Fixed;
using load::Grouped;

// What the command line says, before it is understood.
struct Flags {
  load::LoadOptions options;
  double duration_s = 30, warmup_s = 0, timeout_ms = 2000, window_ms = 0;
  std::size_t user_count = 1000, features = 0;
  std::string users_file, style, report_file;
  std::vector<std::string> tiers, symbols = {"8"};
};

// "--symbols 8" stands for the simulator's SIM1 to SIM8.
std::vector<std::string> SymbolNames(const std::vector<std::string>& given) {
  std::size_t count = 0;
  if (given.size() == 1) {
    const char* end = given[0].data() + given[0].size();
    if (std::from_chars(given[0].data(), end, count).ptr != end || count > 1'000'000) count = 0;
  }
  if (count == 0) return given;
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back("SIM" + std::to_string(i));
  return names;
}

// A tier of the command line replaces the one of its name, or is added.
Result<void> SetTiers(const std::vector<std::string>& texts, std::vector<load::Tier>& tiers) {
  for (const std::string& text : texts) {
    PUNCTUAL_ASSIGN(load::Tier tier, load::ParseTier(text));
    bool known = false;
    for (load::Tier& other : tiers)
      if (other.name == tier.name) other = tier, known = true;
    if (!known) tiers.push_back(std::move(tier));
  }
  return {};
}

Result<load::LoadOptions> Understand(const Flags& flags) {
  load::LoadOptions options = flags.options;
  const auto duration = [](double seconds) { return Duration(static_cast<std::int64_t>(seconds * 1e9)); };
  options.duration = duration(flags.duration_s);
  options.warmup = duration(flags.warmup_s);
  options.timeout = duration(flags.timeout_ms / 1e3);
  options.report_window = duration(flags.window_ms / 1e3);
  options.symbols = SymbolNames(flags.symbols);
  if (flags.features > 0) options.shape = {1, static_cast<std::int64_t>(flags.features)};
  PUNCTUAL_TRY(SetTiers(flags.tiers, options.tiers));
  if (flags.users_file.empty()) {
    options.users = load::MakeUsers(flags.user_count, options.tiers);
  } else {
    PUNCTUAL_ASSIGN(options.users, load::ReadUsers(flags.users_file, options.tiers, flags.style));
  }
  return options;
}

std::string ProgressText(const load::LoadProgress& progress, std::uint64_t sent_before) {
  const double total = static_cast<double>(progress.total.count()) / 1e9;
  const double elapsed = std::min(static_cast<double>(progress.elapsed.count()) / 1e9, total);
  std::string text = Fixed(elapsed, 0) + " of " + Fixed(total, 0) + " s: ";
  if (progress.stats.sent() == 0) return text + "warming up";
  text += Grouped(progress.stats.sent() - sent_before) + " req/s, p99 " +
          Fixed(Milliseconds(progress.stats.latency().Quantile(0.99)), 2) + " ms";
  if (const std::uint64_t lost = progress.stats.unanswered(); lost > 0) text += ", " + Grouped(lost) + " unanswered";
  if (const std::uint64_t errors = progress.stats.errors.Sum(); errors > 0) text += ", " + Grouped(errors) + " errors";
  return text;
}

int Failed(const Error& error) {
  std::fprintf(stderr, "punctual load: %s\n", error.message.c_str());
  return error.code == Code::kInvalidArgument ? 2 : 1;
}

int Run(const Flags& flags) {
  auto options = Understand(flags);
  if (options.has_error()) return Failed(options.error());
  // Opened before the run: half a minute of load for nothing would be a pity.
  std::ofstream file;
  if (!flags.report_file.empty()) {
    file.open(flags.report_file);
    if (!file) return Failed(Fail(Code::kInternal, "--report: " + flags.report_file + " cannot be written"));
  }
  Result<load::LoadReport> report = Fail(Code::kInternal, "");
  {
    load::ProgressLine line;
    std::uint64_t sent = 0;
    report = load::RunLoad(*options, load::InterruptFlag(), [&](const load::LoadProgress& progress) {
      line.Show(ProgressText(progress, sent));
      sent = progress.stats.sent();
    });
  }
  if (report.has_error()) return Failed(report.error());
  std::fputs(load::ReportText(*report).c_str(), stdout);
  if (file.is_open() && !(file << load::ReportJson(*report) << std::flush))
    return Failed(Fail(Code::kInternal, "--report: " + flags.report_file + " cannot be written"));
  if (report->stats.answered() == 0)
    return Failed(Fail(Code::kUnavailable, "no request was answered; the table above says why"));
  return 0;
}

// An option that takes one of a few names; CLI11's own way shows the numbers behind an enumeration.
template <class Enum>
CLI::Option* AddChoice(CLI::App& command, const std::string& name, Enum& value,
                       const std::vector<std::pair<std::string, Enum>>& choices, const std::string& description) {
  std::vector<std::string> names;
  for (const auto& [text, choice] : choices) names.push_back(text);
  return command
      .add_option_function<std::string>(
          name,
          [&value, choices](const std::string& given) {
            for (const auto& [text, choice] : choices)
              if (text == given) value = choice;
          },
          description)
      ->check(CLI::IsMember(names))
      ->default_str(names.front());
}

void AddWorkloadOptions(CLI::App& command, Flags& flags) {
  using load::Api, load::Arrivals;
  load::LoadOptions& options = flags.options;
  command.add_option("--to", options.to, "server: http://HOST:PORT or unix:PATH")->capture_default_str();
  AddChoice<Api>(command, "--api", options.api, {{"punctual", Api::kPunctual}, {"adr", Api::kAdr}, {"oip", Api::kOip}},
                 "the server's protocol; adr: a Node server's POST /predict, oip: Open Inference Protocol");
  command.add_option("--rate", options.rate, "requests a second, all connections together")->capture_default_str();
  AddChoice<Arrivals>(command, "--arrivals", options.arrivals,
                      {{"poisson", Arrivals::kPoisson}, {"fixed", Arrivals::kFixed}},
                      "when they are due; fixed: equal gaps, users in turn");
  command.add_option("--duration", flags.duration_s, "seconds that are measured")->capture_default_str();
  command.add_option("--warmup", flags.warmup_s, "seconds of load before that, not counted")->capture_default_str();
  command.add_option("--timeout-ms", flags.timeout_ms, "a request without a response by then is unanswered")
      ->capture_default_str();
  command.add_option("--connections", options.connections, "kept open, the users' in turn; 0: one a user")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "threads that drive them")->capture_default_str();
  command.add_option("--seed", options.seed, "same seed, same requests at the same times")->capture_default_str();
}

void AddContentOptions(CLI::App& command, Flags& flags) {
  using load::RequestKind;
  load::LoadOptions& options = flags.options;
  command.add_option("--users", flags.user_count, "users u1 to uN, tiers in turn")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  command.add_option("--users-file", flags.users_file, "users of a CSV file: user,tier,style or user,tier,style,model");
  command.add_option("--style", flags.style, "only the file's users of this style")->needs("--users-file");
  command.add_option("--tier", flags.tiers,
                     "NAME=MS: a tier's budget, may be repeated (premium=15, standard=25, basic=50)");
  command.add_option("--symbols", flags.symbols, "names, the most popular first (A,B,C), or a number N: SIM1 to SIMN")
      ->delimiter(',')
      ->default_str("8");
  command.add_option("--zipf", options.zipf, "the n-th symbol's popularity is 1 / n^ZIPF; 0: all alike")
      ->capture_default_str();
  AddChoice<RequestKind>(
      command, "--kind", options.kind,
      {{"symbol", RequestKind::kSymbol}, {"snapshot", RequestKind::kSnapshot}, {"tensors", RequestKind::kTensors}},
      "what a request carries: the symbol's name, books, or tensors");
  command.add_option("--tick-hz", options.tick_hz, "how often a symbol's books or tensors change")
      ->capture_default_str();
  command.add_option("--model", options.model, "model that is asked; default: the user's");
  command.add_option("--input", options.input, "tensors: the input's name")->capture_default_str();
  command.add_option("--features", flags.features, "tensors: numbers in one, as shape 1,N");
  command.add_option("--shape", options.shape, "tensors: shape, for instance 1,100,40")
      ->delimiter(',')
      ->excludes("--features");
  command.add_option("--window", options.window, "snapshot: books in a request")->capture_default_str();
  command.add_option("--market-file", options.market_file,
                     "snapshot: an order-book CSV file; default: simulated books");
  command.add_option("--report", flags.report_file, "writes the report as JSON");
  command.add_option("--windows", flags.window_ms, "the report also counts by windows of so many milliseconds")
      ->needs("--report");
}

}  // namespace

void AddLoadCommand(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("load", "Drive a server with many users' requests and report what came in time");
  const auto flags = std::make_shared<Flags>();
  AddWorkloadOptions(*command, *flags);
  AddContentOptions(*command, *flags);
  command->footer(
      "Requests go out when they are due, however the server does, and latency counts from then.\n\n"
      "Example: the users of examples/punctual.toml ask 1,000 times a second for half a minute about the symbols of\n"
      "\"punctual simulate --symbols 8\":\n"
      "  punctual load --to http://127.0.0.1:8080 --users-file examples/users.csv --connections 100 --symbols 8 "
      "--rate 1000 --duration 30 --report report.json");
  command->callback([flags, &exit_code] { exit_code = Run(*flags); });
}

}  // namespace punctual
