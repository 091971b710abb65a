#include "cli/optimize_from_server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "cli/ask_server.h"
#include "cli/stage_progress.h"
#include "load/http_client.h"
#include "optimize/printed_number.h"
#include "optimize/recheck_report.h"

namespace punctual {

namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

using load::Fixed;
using load::Grouped;
using optimize::Estimate;
using optimize::LiveModel;
using optimize::Moved;
using optimize::Recheck;
using optimize::RecheckedVariant;

constexpr std::size_t kColumnsShown = 3;
constexpr double kClearOfChance = 10;  // neighbouring questions are alike: chance makes more than of independent ones

std::string TextOf(const json::value& object, const char* field) {
  const json::value* found = object.is_object() ? object.as_object().if_contains(field) : nullptr;
  return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
}

// Of its name, as GET /v1/models describes it.
using Described = std::map<std::string, json::value>;

// One folder's, and no way out of it.
bool IsName(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         std::ranges::none_of(name, [](char c) { return c == '/' || static_cast<unsigned char>(c) < ' '; });
}

Result<LiveModel> LiveOf(const json::value& model, const Described& all, const std::string& log) {
  LiveModel live;
  live.name = TextOf(model, "name");
  live.version = TextOf(model, "version");
  live.variant = TextOf(model, "variant");
  live.backend = TextOf(model, "backend");
  live.folder = TextOf(model, "folder");
  live.student = TextOf(model, "student");
  live.student_error = TextOf(model, "student_error");
  live.log_folder = log + "/" + live.name;
  if (const auto student = all.find(live.student); student != all.end()) {
    live.student_folder = TextOf(student->second, "folder");
    live.student_version = TextOf(student->second, "version");
    live.student_backend = TextOf(student->second, "backend");
  }
  for (const std::string* name : {&live.name, &live.version, &live.variant, &live.backend})
    if (!IsName(*name)) return Fail(Code::kInternal, "describes a model that cannot be: is it Punctual?");
  if (!live.student.empty() && !(IsName(live.student) && IsName(live.student_version)))
    return Fail(Code::kInternal, "describes a student that cannot be: is it Punctual?");
  return live;
}

// In another folder than the server's: its files may lie elsewhere for us.
void MoveTo(const std::string& folder, LiveModel& live) {
  live.folder = folder;
  if (!live.student.empty()) live.student_folder = (fs::path(folder) / ".." / live.student).lexically_normal().string();
}

// What a server says of itself.
struct Server {
  std::string log;  // the folder of its request log
  Described models;
};

Result<Server> AskWhatServes(const std::string& url) {
  PUNCTUAL_ASSIGN(load::Address address, load::ParseAddress(url));
  load::HttpClient client(std::move(address));
  PUNCTUAL_ASSIGN(const json::value stats, AskServer(client, "GET", "/v1/stats"));
  const json::value* log = stats.as_object().if_contains("request_log");
  if (log == nullptr)
    return Fail(Code::kFailedPrecondition,
                "keeps no request log; give it a [request_log] with a directory, and let it be asked for a while");
  Server server{TextOf(*log, "directory"), {}};
  if (server.log.empty()) return Fail(Code::kInternal, "does not say where its request log lies: is it Punctual?");
  PUNCTUAL_ASSIGN(const json::value answer, AskServer(client, "GET", "/v1/models"));
  const json::value* models = answer.as_object().if_contains("models");
  if (models != nullptr && models->is_array())
    for (const json::value& model : models->as_array()) server.models[TextOf(model, "name")] = model;
  return server;
}

// That the log can be read here.
Result<void> CheckLog(const std::string& log) {
  if (::access(log.c_str(), R_OK | X_OK) == 0) return {};
  if (errno == EACCES)
    return Fail(Code::kFailedPrecondition,
                "its request log, " + log + ", may be read by the server's user alone; run this as that user");
  return Fail(Code::kNotFound, "its request log, " + log + ", is not on this machine (" + std::strerror(errno) +
                                   "); run this where the server runs");
}

// All that answer and of which something was logged.
Result<std::vector<LiveModel>> AllModels(const Server& server) {
  std::vector<LiveModel> live;
  for (const auto& [name, model] : server.models) {
    if (TextOf(model, "version").empty()) continue;  // it does not answer
    PUNCTUAL_ASSIGN(LiveModel one, LiveOf(model, server.models, server.log));
    std::error_code error;
    if (fs::exists(one.log_folder, error)) live.push_back(std::move(one));
  }
  if (!live.empty()) return live;
  return Fail(Code::kNotFound, "its request log, " + server.log + ", has nothing yet; let it be asked for a while");
}

Result<std::vector<LiveModel>> OneModel(const Server& server, const std::string& folder) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(folder, error);
  if (error || !fs::is_regular_file(path / "model.toml", error))
    return Fail(Code::kInvalidArgument, folder + ": no such folder; name a model's, with its model.toml");
  const std::string name = path.filename().string();
  const auto found = server.models.find(name);
  if (found == server.models.end()) {
    std::string names;
    for (const auto& [known, model] : server.models) names += (names.empty() ? "" : ", ") + known;
    return Fail(Code::kNotFound, "has no model \"" + name + "\"; there are: " + (names.empty() ? "none" : names));
  }
  if (TextOf(found->second, "version").empty())
    return Fail(Code::kFailedPrecondition, "model \"" + name + "\" does not answer: " + TextOf(found->second, "error"));
  PUNCTUAL_ASSIGN(LiveModel one, LiveOf(found->second, server.models, server.log));
  MoveTo(path.string(), one);
  return std::vector<LiveModel>{std::move(one)};
}

// Those to look at.
Result<std::vector<LiveModel>> LiveModels(const FromServerOptions& options) {
  PUNCTUAL_ASSIGN(const Server server, AskWhatServes(options.url));
  PUNCTUAL_TRY(CheckLog(server.log));
  return options.model.empty() ? AllModels(server) : OneModel(server, options.model);
}

std::string TimeText(std::int64_t unix_ns) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ns / 1'000'000'000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text;
  text[std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &utc)] = '\0';
  return text.data();
}

// Of classes, the share of the same ones; else the relative difference.
std::string Cell(const Estimate& difference, bool classes) {
  if (!classes) return optimize::PercentText(difference);
  return optimize::PercentText({1 - difference.value, 1 - difference.high, 1 - difference.low});
}

// What chance alone would make of it must be little beside what is judged by.
std::string HowFar(const Moved& moved) {
  const std::string index = Fixed(moved.index, 2);
  if (kClearOfChance * moved.chance > optimize::kMoved) return index + ", too few to tell";
  return index + (moved.index > optimize::kMovedFar ? ", far"
                  : moved.index > optimize::kMoved  ? ", moved"
                                                    : ", steady");
}

void PrintVariants(const Recheck& found) {
  if (found.variants.empty()) return std::puts("nothing stands in for it: no int8 file, no bf16, no student"), void();
  const bool numbers = std::ranges::any_of(
      found.variants, [](const RecheckedVariant& variant) { return variant.fidelity && variant.fidelity->numbers; });
  load::TextTable table({"variant", numbers ? "difference now" : "same class now", "when made", "gate"});
  for (const RecheckedVariant& variant : found.variants) {
    const std::string name = variant.variant + (variant.backend.empty() ? "" : " by " + variant.backend) +
                             (variant.serves ? "" : " (does not serve)");
    if (!variant.refusal.empty()) {
      table.Add({name, "-", "-", "cannot be asked"});
      continue;
    }
    table.Add({name, Cell(variant.now, !numbers), variant.when_made ? Cell(*variant.when_made, !numbers) : "-",
               std::string(VerdictName(variant.verdict))});
  }
  std::fputs(table.Text().c_str(), stdout);
  for (const RecheckedVariant& variant : found.variants) {
    if (!variant.refusal.empty()) std::printf("%s: %s\n", variant.variant.c_str(), variant.refusal.c_str());
    if (!variant.gate.empty()) std::printf("%s: %s\n", variant.variant.c_str(), variant.gate.c_str());
    if (variant.drifted) std::printf("%s: is worse than when it was made\n", variant.variant.c_str());
    if (variant.left_out > 0)
      std::printf("%s: had no answer to %s of the questions\n", variant.variant.c_str(),
                  Grouped(variant.left_out).c_str());
  }
}

void Print(const Recheck& found) {
  const LiveModel& model = found.model;
  std::printf("%s %s, %s by %s: %s questions, %s to %s UTC\n", model.name.c_str(), model.version.c_str(),
              model.variant.c_str(), model.backend.c_str(), Grouped(found.questions).c_str(),
              TimeText(found.first_unix_ns).c_str(), TimeText(found.last_unix_ns).c_str());
  if (found.left_out > 0)
    std::printf("%s more could not be asked again: they are of another model, or it has no answer to them\n",
                Grouped(found.left_out).c_str());
  if (found.damaged_segments > 0)
    std::printf("%s files of the log are damaged or cut off; what lies behind that was left out\n",
                Grouped(found.damaged_segments).c_str());
  PrintVariants(found);
  std::string inputs;
  for (std::size_t i = 0; i < std::min(kColumnsShown, found.inputs.size()); ++i)
    inputs += (i == 0 ? "" : "; ") + found.inputs[i].name + " " + HowFar(found.inputs[i]);
  if (!found.no_profile.empty()) std::printf("%s\n", found.no_profile.c_str());
  std::printf("since %s: inputs that moved most (stability index): %s; answers %s\n", found.since.c_str(),
              inputs.empty() ? "none" : inputs.c_str(), HowFar(found.answers).c_str());
  for (std::size_t i = 0; i < found.class_shares_now.size(); ++i)
    std::printf("  %s %s %%, was %s %%\n",
                i < found.classes.size() ? found.classes[i].c_str() : std::to_string(i).c_str(),
                Fixed(100 * found.class_shares_now[i], 1).c_str(), Fixed(100 * found.class_shares_then[i], 1).c_str());
}

}  // namespace

Result<bool> OptimizeFromServer(const FromServerOptions& options) {
  // What is there stays until there is another; that it can be written is better known now.
  if (!options.report.empty() && !std::ofstream(options.report, std::ios::binary | std::ios::app))
    return Fail(Code::kInvalidArgument, "--report: " + options.report + ": cannot be written: " + std::strerror(errno));
  const auto models = LiveModels(options);
  if (models.has_error())
    return Fail(models.error().code, "--from-server: " + options.url + ": " + models.error().message);
  optimize::RecheckReport report;
  for (const LiveModel& model : *models) {
    Result<Recheck> found = Fail(Code::kInternal, "");
    {
      StageProgress progress;
      optimize::RecheckOptions recheck = options.recheck;
      recheck.progress = [&](const std::string& what, std::size_t done, std::size_t of) {
        progress.Show(what + ", questions", done, of);
      };
      found = optimize::RecheckModel(model, recheck);
    }
    // One that was hardly asked yet keeps nobody from the others.
    if (found.has_error()) {
      std::printf("%s: %s\n\n", model.name.c_str(), found.error().message.c_str());
      report.not_rechecked.push_back({model, found.error().message});
      continue;
    }
    Print(*found);
    std::puts("");
    report.models.push_back(std::move(found).value());
  }
  const bool passed = optimize::Passed(report);
  std::puts(passed ? "nothing that serves has failed" : "not all that serves could be looked at, or it has failed");
  if (options.report.empty()) return passed;
  std::ofstream file(options.report, std::ios::binary | std::ios::trunc);
  file << optimize::RecheckJson(report);
  file.close();
  if (!file) return Fail(Code::kUnavailable, "--report: " + options.report + ": cannot be written");
  return passed;
}

}  // namespace punctual
