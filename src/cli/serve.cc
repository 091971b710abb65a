// punctual serve: the server, until a signal ends it.
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/server_log.h"
#include "engine/cache_check.h"
#include "punctual/engine.h"
#include "request_log/request_log.h"
#include "server/http/http_server.h"
#include "telemetry/registry.h"

namespace punctual {

namespace {

namespace net = boost::asio;

struct Flags {
  std::string config;
  bool check = false;
};

int Failed(const Error& error) {
  std::fprintf(stderr, "punctual serve: %s\n", error.message.c_str());
  return error.code == Code::kInvalidArgument || error.code == Code::kNotFound ? 2 : 1;
}

// Says where a model's own settings make less of the cache than there is.
void LogCacheUse(const ModelStatus& model, const CacheStats& cache) {
  std::string left_out;
  for (const auto& [there, rung] :
       {std::pair(cache.memory.limit_bytes > 0, Source::kL1), std::pair(cache.disk.has_value(), Source::kL2),
        std::pair(cache.redis.has_value(), Source::kL3)})
    if (there && std::find(model.ladder.begin(), model.ladder.end(), rung) == model.ladder.end())
      left_out += (left_out.empty() ? "" : ", ") + std::string(SourceName(rung));
  if (!left_out.empty())
    spdlog::warn("model {}: its ladder leaves out {}; without the key ladder in its model.toml all layers are used",
                 model.name, left_out);
  if (model.semantic && model.semantic->kind == "approximate" && model.semantic->audit_share <= 0)
    spdlog::warn("model {}: nobody watches what its approximate answers are worth: semantic.audit_share is 0",
                 model.name);
}

// Says which models are served and which were refused; gives how many were.
int LogModels(const Engine& engine) {
  int refused = 0;
  const CacheStats cache = engine.Stats().cache;
  for (const ModelStatus& model : engine.Models()) {
    if (!model.version.empty())
      spdlog::info("model {} version {}: {} on {} ({}{}), {:.1f} us at p95{}", model.name, model.version, model.variant,
                   model.device, model.backend, model.backend_reason.empty() ? "" : "; " + model.backend_reason,
                   Microseconds(model.expected), model.runs_inline ? ", runs on the caller's thread" : "");
    if (!model.version.empty()) LogCacheUse(model, cache);
    if (!model.student_error.empty()) spdlog::error("model {} has no student: {}", model.name, model.student_error);
    if (!model.error.empty()) spdlog::error("model {} was refused: {}", model.name, model.error);
    refused += !model.error.empty() || !model.student_error.empty();
  }
  return refused;
}

// Says which styles, tiers and users pick a model that the repository does not have (it may come later); gives how many
// do. Users of one such model share a line.
int LogPicks(const EngineOptions& options, const Engine& engine) {
  int missing = 0;
  const std::vector<ModelStatus> models = engine.Models();
  const auto check = [&](const std::string& who, const std::string& model) {
    if (std::any_of(models.begin(), models.end(), [&](const ModelStatus& m) { return m.name == model; })) return;
    ++missing;
    spdlog::error("{}: model {} is not in the repository; requests for it are NOT_FOUND until it is", who, model);
  };
  for (const auto& [style, model] : options.styles) check("styles." + style, model);
  for (const auto& [name, tier] : options.tiers)
    for (const auto& [style, model] : tier.models) check("tiers." + name + ".models." + style, model);
  std::map<std::string, std::vector<const UserOptions*>> own;  // model -> its users
  for (const UserOptions& user : options.users)
    if (!user.model.empty()) own[user.model].push_back(&user);
  for (const auto& [model, users] : own)
    check(users[0]->where + ": user " + users[0]->name +
              (users.size() == 1 ? "" : " and " + std::to_string(users.size() - 1) + " more"),
          model);
  return missing;
}

// Says what the cache begins with. `options`: what `engine` was opened with.
void LogCache(const EngineOptions& options, const Engine& engine) {
  const CacheStats cache = engine.Stats().cache;
  spdlog::info("cache.memory: {} bytes{}", cache.memory.limit_bytes,
               cache.memory.limit_bytes == 0 ? ": it keeps nothing" : "");
  if (cache.disk)
    spdlog::info("cache.disk: {}: {} {}, {} of them in memory now", options.disk_cache->directory, cache.disk->entries,
                 cache.disk->entries == 1 ? "answer" : "answers", cache.memory.warmed);
  if (!options.redis) return;
  std::string nodes;
  for (const std::string& node : options.redis->nodes) nodes += (nodes.empty() ? "" : ", ") + node;
  spdlog::info("cache.redis: {}{}", nodes, options.redis->tls ? ", over TLS" : "");
}

// SIGTERM and SIGINT end it, SIGHUP reloads the models. Only the first SIGTERM or SIGINT is ours: a second one kills.
// Models are loaded by `reloader`: that takes seconds, and the end must not wait for it.
void WaitForTheEnd(Engine& engine, net::thread_pool& reloader) {
  net::io_context context{1};
  net::signal_set ends(context, SIGTERM, SIGINT);
  net::signal_set reloads(context, SIGHUP);
  const std::function<void()> await_reload = [&] {
    reloads.async_wait([&](const boost::system::error_code& error, int) {
      if (error) return;
      net::post(reloader, [&engine] {
        spdlog::info("SIGHUP: looking at the model repository");
        engine.Reload();
      });
      await_reload();
    });
  };
  await_reload();
  ends.async_wait([&](const boost::system::error_code&, int signal) {
    spdlog::info("{}: finishing what was admitted", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    context.stop();
  });
  context.run();
}

// A connection takes a file descriptor; the usual soft limit of 1,024 is for programs that have few.
void AllowOpenFiles(int connections) {
  constexpr rlim_t kOthers = 512;  // models, the feed's files, libraries
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t need = static_cast<rlim_t>(connections) + kOthers;
  if (limit.rlim_cur >= need) return;
  limit.rlim_cur = std::min(need, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < need)
    spdlog::warn("server.max_connections = {}, but the system allows {} open files", connections, limit.rlim_cur);
}

Result<int> Serve(const Flags& flags) {
  std::signal(SIGHUP, SIG_IGN);  // while the models are loaded for the first time there is nothing to reload
  PUNCTUAL_ASSIGN(const ServerOptions server_options, ServerOptionsFromFile(flags.config));
  PUNCTUAL_ASSIGN(EngineOptions engine_options, EngineOptionsFromFile(flags.config));
  const ServerLog log;
  CacheCheck cache_check;
  if (flags.check) {
    PUNCTUAL_ASSIGN(cache_check, CheckCache(engine_options));
    // Neither made nor taken from a server that runs.
    if (engine_options.request_log) PUNCTUAL_TRY(RequestLog::Check(*engine_options.request_log));
    engine_options.request_log.reset();
  }
  for (const std::string& note : cache_check.notes) spdlog::info("{}", note);
  for (const std::string& fault : cache_check.faults) spdlog::error("{}", fault);
  std::atomic<const Engine*> opened = nullptr;
  engine_options.on_reload = [&opened](const Result<int>& changes) {
    if (changes.has_error())
      spdlog::error("models: {}", changes.error().message);
    else if (const Engine* engine = opened.load())
      LogModels(*engine);
  };
  engine_options.on_notice = [](const std::string& text) { spdlog::warn("{}", text); };
  PUNCTUAL_ASSIGN(Engine engine, Engine::Open(engine_options));
  opened = &engine;
  engine.metrics().AddCounter("punctual_log_lines_dropped_total", "Lines of the log that nobody took", {},
                              [&log] { return static_cast<double>(log.dropped()); });
  LogCache(engine_options, engine);
  if (const auto kept = engine.Stats().request_log)
    spdlog::info("request log: {}: {:.3g} % of the questions, {} MB of each model at most", kept->directory,
                 100 * kept->share, engine_options.request_log->bytes >> 20);
  const int refused = LogModels(engine);
  const int missing = LogPicks(engine_options, engine);
  if (flags.check) {
    if (engine.Models().empty()) return Fail(Code::kUnavailable, flags.config + ": is right, but there are no models");
    if (refused > 0) return Fail(Code::kUnavailable, flags.config + ": is right, but not every model could be loaded");
    if (missing > 0)
      return Fail(Code::kUnavailable,
                  flags.config + ": a style, a tier or a user picks a model that is not in the repository");
    if (!cache_check.faults.empty() || (engine_options.disk_cache && !engine.Stats().cache.disk))
      return Fail(
          Code::kUnavailable,
          flags.config + ": is right, but not every layer of the cache can be used; the server would do without");
    std::printf("%s: all is well\n", flags.config.c_str());
    return 0;
  }
  AllowOpenFiles(server_options.max_connections);
  PUNCTUAL_ASSIGN(auto server, http::HttpServer::Start(engine, server_options));
  for (const std::string& listener : server.listeners()) std::printf("listening on %s\n", listener.c_str());
  std::fflush(stdout);
  net::thread_pool reloader{1};
  WaitForTheEnd(engine, reloader);
  server.Shutdown();
  reloader.join();
  spdlog::info("stopped");
  return 0;
}

int Run(const Flags& flags) {
  const Result<int> served = Serve(flags);
  return served.has_error() ? Failed(served.error()) : *served;
}

}  // namespace

void AddServeCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("serve", "Serve the models of a repository over HTTP");
  const auto flags = std::make_shared<Flags>();
  command->add_option("--config", flags->config, "the configuration, a TOML file")->required();
  command->add_flag("--check", flags->check,
                    "load everything, try the disk cache and each node of Redis, say what is wrong, and exit");
  command->footer(
      "SIGTERM and SIGINT finish what was admitted and end the server, a second one ends it at once; SIGHUP looks at\n"
      "the model repository again.\n\n"
      "Example:\n"
      "  punctual serve --config punctual.toml");
  command->callback([flags, &exit_code] { exit_code = Run(*flags); });
}

}  // namespace punctual
