// punctual cache: what the cache of a running server holds, and dropping answers from it.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "cli/ask_server.h"
#include "cli/commands.h"
#include "load/http_client.h"
#include "load/text_table.h"

namespace punctual {

namespace {

namespace json = boost::json;

constexpr Duration kPurgeTimeout = std::chrono::seconds(10);
constexpr Duration kPoll = std::chrono::milliseconds(100);

struct Flags {
  std::string to = "http://127.0.0.1:8080";
  std::string model, symbol;
  bool all = false;
  bool json = false;
};

// "1 record", "2 records".
std::string Count(std::uint64_t number, const std::string& one, const std::string& many) {
  return load::Grouped(number) + " " + (number == 1 ? one : many);
}

std::uint64_t NumberOf(const json::object& layer, const char* field) {
  const json::value* value = layer.if_contains(field);
  boost::system::error_code error;
  return value == nullptr ? 0 : value->to_number<std::uint64_t>(error);
}

// What a layer says under `field`; "-" where it says nothing.
std::string Cell(const json::object& layer, const char* field) {
  const json::value* value = layer.if_contains(field);
  if (value == nullptr) return "-";
  if (value->is_bool()) return value->as_bool() ? "yes" : "no";
  return load::Grouped(NumberOf(layer, field));
}

// Of the look-ups that were made: those that were skipped were not.
std::string HitRate(const json::object& layer) {
  const std::uint64_t hits = NumberOf(layer, "hits");
  const std::uint64_t all = hits + NumberOf(layer, "misses") + NumberOf(layer, "timeouts") + NumberOf(layer, "errors");
  return all == 0 ? "-" : load::Fixed(100 * static_cast<double>(hits) / static_cast<double>(all), 1) + " %";
}

// The layers that there are, and of each field only those rows that one of them has.
void PrintLayers(const json::object& stats) {
  std::vector<std::pair<std::string, const json::object*>> layers;
  for (const char* name : {"memory", "disk", "redis"})
    if (const json::value* found = stats.if_contains(name); found != nullptr && found->is_object())
      layers.emplace_back(name, &found->as_object());
  std::vector<std::string> header = {""};
  for (const auto& layer : layers) header.push_back(layer.first);
  load::TextTable table(std::move(header));
  const auto add = [&](const char* name, auto&& cell) {
    std::vector<std::string> row = {name};
    bool any = false;
    for (const auto& layer : layers) any = (row.push_back(cell(*layer.second)), row.back() != "-") || any;
    if (any) table.Add(std::move(row));
  };
  add("hit rate", HitRate);
  for (const char* field :
       {"hits",        "misses",  "timeouts",      "errors",  "skipped",     "entries",  "bytes",
        "limit_bytes", "warmed",  "queued",        "writes",  "dropped",     "failed",   "evictions",
        "expirations", "refused", "slow_look_ups", "resting", "outstanding", "connects", "connects_failed"})
    add(field, [field](const json::object& layer) { return Cell(layer, field); });
  std::fputs(table.Text().c_str(), stdout);
  for (const auto& [name, layer] : layers) {
    if (const json::value* faults = layer->if_contains("faults"); faults != nullptr && faults->is_object())
      for (const auto& fault : faults->as_object()) {
        const auto count = fault.value().to_number<std::uint64_t>();
        std::printf("%s: %s no %s (%s)\n", name.c_str(), Count(count, "record was", "records were").c_str(),
                    count == 1 ? "answer" : "answers", std::string(fault.key()).c_str());
      }
    if (const json::value* error = layer->if_contains("last_error"); error != nullptr && error->is_string())
      std::printf("%s: last error: %s\n", name.c_str(), error->as_string().c_str());
  }
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
  PUNCTUAL_ASSIGN(const json::value stats, AskServer(client, "GET", "/v1/cache", ""));
  if (flags.json) {
    std::printf("%s\n", json::serialize(stats).c_str());
    return {};
  }
  PrintLayers(stats.as_object());
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
  PUNCTUAL_ASSIGN(const json::value begun, AskServer(client, "POST", "/v1/cache/purge", json::serialize(wanted)));
  const auto id = begun.at("id").to_number<std::uint64_t>();
  for (const TimePoint until = Clock::Real().Now() + kPurgeTimeout;;) {
    PUNCTUAL_ASSIGN(const json::value stats, AskServer(client, "GET", "/v1/cache", ""));
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
  stats->add_flag("--json", flags->json, "what the server says, as JSON (GET /v1/cache)");
  const std::string of_stats = "  punctual cache stats --to http://127.0.0.1:8080\n";
  const std::string of_purge = "  punctual cache purge --to http://127.0.0.1:8080 --model tcn --symbol BTCUSDT";
  command->footer("Examples:\n" + of_stats + of_purge);
  stats->footer("Example:\n" + of_stats);
  purge->footer("Example:\n" + of_purge);
  stats->callback([flags, &exit_code] { exit_code = Run("stats", Stats, *flags); });
  purge->callback([flags, &exit_code] { exit_code = Run("purge", Purge, *flags); });
}

}  // namespace punctual
