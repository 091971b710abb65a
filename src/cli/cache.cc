// punctual cache: what the cache of a running server holds, and dropping answers from it.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "cli/commands.h"
#include "load/http_client.h"
#include "load/text_table.h"

namespace punctual {

namespace {

namespace json = boost::json;

constexpr Duration kReplyTimeout = std::chrono::seconds(10), kPurgeTimeout = std::chrono::seconds(60);
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
    table.Add({text("address"), text("role"), text("state"),
               load::Grouped(node.at("outstanding").to_number<std::uint64_t>()),
               load::Fixed(node.at("look_up_ms").to_number<double>(), 3), text("last_error")});
  }
  std::fputs(table.Text().c_str(), stdout);
}

Result<void> Stats(const Flags& flags) {
  PUNCTUAL_ASSIGN(load::Address address, load::ParseAddress(flags.to));
  load::HttpClient client(std::move(address));
  PUNCTUAL_ASSIGN(const json::value stats, Ask(client, "GET", "/v1/cache", ""));
  load::TextTable table({"", "memory", "disk", "redis"});
  for (const char* field : {"hits", "misses", "timeouts", "errors", "skipped", "entries", "bytes", "limit_bytes",
                            "warmed", "writes", "dropped", "failed", "evictions", "expirations", "refused",
                            "slow_look_ups", "resting", "outstanding", "connects"})
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
  PUNCTUAL_ASSIGN(const json::value dropped, Ask(client, "POST", "/v1/cache/purge", json::serialize(wanted)));
  std::printf("dropped %s answers from memory\n",
              load::Grouped(dropped.at("dropped_from_memory").to_number<std::uint64_t>()).c_str());
  for (const TimePoint until = Clock::Real().Now() + kPurgeTimeout;;) {
    PUNCTUAL_ASSIGN(const json::value stats, Ask(client, "GET", "/v1/cache", ""));
    if (stats.at("purges_running").to_number<std::uint64_t>() == 0) break;
    if (Clock::Real().Now() > until)
      return Fail(Code::kUnavailable,
                  "disk or Redis is still being purged after a minute; it goes on in the background");
    std::this_thread::sleep_for(kPoll);
  }
  std::printf("disk and Redis, where there are such layers, are done\n");
  return {};
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
  purge->add_option("--model", flags->model, "answers of this model, of all its versions");
  purge->add_option("--symbol", flags->symbol, "answers about this symbol");
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
