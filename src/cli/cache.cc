// punctual cache: what the cache of a running server holds, and dropping answers from it.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "cli/commands.h"
#include "load/http_client.h"
#include "load/text_table.h"

namespace punctual {

namespace {

namespace json = boost::json;

constexpr Duration kReplyTimeout = std::chrono::seconds(10), kPurgeTimeout = std::chrono::seconds(10);
constexpr Duration kPoll = std::chrono::milliseconds(100);

struct Flags {
  std::string to = "http://127.0.0.1:8080";
  std::string model, symbol;
  bool all = false;
};

// The server's answer, or what it refused and why.
Result<json::value> Ask(load::HttpClient& client, const char* method, const char* path, const std::string& body) {
  client.Add(method, path, "application/json", body);
  PUNCTUAL_ASSIGN(const auto replies, client.Exchange(kReplyTimeout));
  boost::system::error_code error;
  json::value answer = json::parse(replies.at(0).body, error);
  if (error || !answer.is_object())
    return Fail(Code::kInternal, std::string(path) + ": the server did not answer JSON; is it Punctual?");
  if (replies[0].status == 200) return answer;
  std::string why = "HTTP " + std::to_string(replies[0].status);
  if (const json::value* refused = answer.as_object().if_contains("error"); refused != nullptr && refused->is_object())
    if (const json::value* text = refused->as_object().if_contains("message"); text != nullptr && text->is_string())
      why = text->as_string();
  return Fail(Code::kFailedPrecondition, why);
}

// A number of `layer`, "-" where the layer is not there or says none.
std::string Cell(const json::value& stats, const char* layer, const char* field) {
  const json::value* found = stats.as_object().if_contains(layer);
  if (found == nullptr || !found->is_object()) return "-";
  const json::value* value = found->as_object().if_contains(field);
  if (value == nullptr) return "-";
  if (value->is_bool()) return value->as_bool() ? "yes" : "no";
  boost::system::error_code error;
  const auto number = value->to_number<std::uint64_t>(error);
  return error ? "-" : load::Grouped(number);
}

void PrintNodes(const json::value& redis) {
  load::TextTable table({"redis node", "role", "state", "outstanding", "look-up ms", "last error"});
  for (const json::value& node : redis.at("nodes").as_array()) {
    const auto text = [&node](const char* field) {
      const json::value* found = node.as_object().if_contains(field);
      return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
    };
    std::string last_error = text("last_error");
    if (!last_error.empty())
      last_error += " (" + load::Fixed(node.at("last_error_age_ms").to_number<double>() / 1e3, 0) + " s ago)";
    table.Add({text("address"), text("role"), text("state"),
               load::Grouped(node.at("outstanding").to_number<std::uint64_t>()),
               load::Fixed(node.at("look_up_ms").to_number<double>(), 3), last_error});
  }
  std::fputs(table.Text().c_str(), stdout);
}

Result<void> Stats(const Flags& flags) {
  PUNCTUAL_ASSIGN(load::Address address, load::ParseAddress(flags.to));
  load::HttpClient client(std::move(address));
  PUNCTUAL_ASSIGN(const json::value stats, Ask(client, "GET", "/v1/cache", ""));
  load::TextTable table({"", "memory", "disk", "redis"});
  for (const char* field :
       {"hits",        "misses",        "timeouts", "errors",      "skipped",  "entries",        "bytes",
        "limit_bytes", "warmed",        "writes",   "dropped",     "failed",   "evictions",      "expirations",
        "refused",     "slow_look_ups", "resting",  "outstanding", "connects", "connects_failed"})
    table.Add({field, Cell(stats, "memory", field), Cell(stats, "disk", field), Cell(stats, "redis", field)});
  std::fputs(table.Text().c_str(), stdout);
  for (const char* layer : {"disk", "redis"})
    if (const json::value* found = stats.as_object().if_contains(layer))
      for (const auto& [fault, count] : found->at("faults").as_object())
        std::printf("%s: %s records were no answers (%s)\n", layer,
                    load::Grouped(count.to_number<std::uint64_t>()).c_str(), std::string(fault).c_str());
  if (const json::value* redis = stats.as_object().if_contains("redis")) PrintNodes(*redis);
  return {};
}

// Null: it is not there.
const json::object* FindPurge(const json::value& stats, std::uint64_t id) {
  for (const json::value& purge : stats.at("purges").as_array())
    if (purge.at("id").to_number<std::uint64_t>() == id) return &purge.as_object();
  return nullptr;
}

// Says what came of it in each layer. An error: something is not done.
Result<void> Report(const json::object& purge) {
  std::string undone;
  const auto text = [](const json::value& layer, const char* field) {
    const json::value* found = layer.as_object().if_contains(field);
    return found == nullptr ? std::string() : std::string(found->as_string());
  };
  for (const auto& [field, name] :
       {std::pair("memory", "memory"), std::pair("disk", "disk"), std::pair("redis", "Redis")}) {
    const json::value* layer = purge.if_contains(field);
    if (layer == nullptr) continue;
    const auto dropped = layer->at("dropped").to_number<std::uint64_t>();
    const std::string state = text(*layer, "state"), waits_for = text(*layer, "waits_for");
    std::printf("dropped %s answer%s from %s%s\n", load::Grouped(dropped).c_str(), dropped == 1 ? "" : "s", name,
                state == "done"     ? ""
                : state == "failed" ? ", not all"
                                    : " so far");
    if (state == "done") continue;
    undone += undone.empty() ? "" : "; ";
    if (state == "failed")
      undone += std::string(name) + " was not emptied: " + text(*layer, "error") + "; mend that and purge again";
    else if (waits_for.empty())
      undone += std::string(name) + " is still being emptied; the server goes on";
    else
      undone += std::string(name) + " waits for " + waits_for +
                "; the server goes on when it is back, or until the answers have expired";
  }
  if (undone.empty()) return {};
  return Fail(Code::kUnavailable, undone + "; /v1/cache shows how far it is");
}

Result<void> Purge(const Flags& flags) {
  if (!flags.all && flags.model.empty() && flags.symbol.empty())
    return Fail(Code::kInvalidArgument, "say what to drop: --model, --symbol, both, or --all");
  if (flags.all && !(flags.model.empty() && flags.symbol.empty()))
    return Fail(Code::kInvalidArgument, "--all goes with no --model and no --symbol");
  PUNCTUAL_ASSIGN(load::Address address, load::ParseAddress(flags.to));
  load::HttpClient client(std::move(address));
  json::object wanted;
  if (!flags.model.empty()) wanted["model"] = flags.model;
  if (!flags.symbol.empty()) wanted["symbol"] = flags.symbol;
  if (flags.all) wanted["all"] = true;
  PUNCTUAL_ASSIGN(const json::value begun, Ask(client, "POST", "/v1/cache/purge", json::serialize(wanted)));
  const auto id = begun.at("id").to_number<std::uint64_t>();
  for (const TimePoint until = Clock::Real().Now() + kPurgeTimeout;;) {
    PUNCTUAL_ASSIGN(const json::value stats, Ask(client, "GET", "/v1/cache", ""));
    const json::object* purge = FindPurge(stats, id);
    if (purge == nullptr)
      return Fail(Code::kUnavailable, "the server knows no more of this purge: it was started anew; purge again");
    if (!purge->at("running").as_bool() || Clock::Real().Now() > until) return Report(*purge);
    std::this_thread::sleep_for(kPoll);
  }
}

int Run(const char* name, Result<void> (*job)(const Flags&), const Flags& flags) {
  const Result<void> done = job(flags);
  if (done.has_value()) return 0;
  std::fprintf(stderr, "punctual cache %s: %s\n", name, done.error().message.c_str());
  return done.error().code == Code::kInvalidArgument ? 2 : 1;
}

}  // namespace

void AddCacheCommand(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("cache", "What the cache of a running server holds, and dropping answers from it");
  command->require_subcommand(1);
  CLI::App* stats = command->add_subcommand("stats", "Show what each layer holds and how its look-ups end");
  CLI::App* purge = command->add_subcommand("purge", "Drop the answers of a model, of a symbol, of both, or all");
  const auto flags = std::make_shared<Flags>();
  for (CLI::App* described : {stats, purge})
    described->add_option("--to", flags->to, "the server, http://HOST:PORT or unix:PATH")->capture_default_str();
  // A script's variable that is empty must not widen what is dropped.
  const auto not_empty = [](const std::string& text) { return std::string(text.empty() ? "must not be empty" : ""); };
  purge->add_option("--model", flags->model, "answers of this model, of all its versions")->check(not_empty);
  purge->add_option("--symbol", flags->symbol, "answers about this symbol")->check(not_empty);
  purge->add_flag("--all", flags->all, "all answers");
  for (CLI::App* described : {command, stats, purge})
    described->footer(
        "Example:\n"
        "  punctual cache stats --to http://127.0.0.1:8080\n"
        "  punctual cache purge --to http://127.0.0.1:8080 --model tcn --symbol BTCUSDT");
  stats->callback([flags, &exit_code] { exit_code = Run("stats", Stats, *flags); });
  purge->callback([flags, &exit_code] { exit_code = Run("purge", Purge, *flags); });
}

}  // namespace punctual
