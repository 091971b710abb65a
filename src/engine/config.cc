#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/config_file.h"
#include "cache/redis/redis_options.h"
#include "model/batches.h"
#include "punctual/engine.h"
#include "request_log/request_log.h"
#include "users/directory.h"

namespace punctual {

namespace {

constexpr Duration kLongest = std::chrono::hours(1);
// 32 KiB for each of the memory cache's shards, which larger answers do not fit in.
constexpr std::size_t kLeastMemoryBytes = 1u << 20;

// No rate: no limit.
void ReadLimit(ConfigTable& tier, const char* rate_key, double& rate, const char* burst_key, double& burst) {
  tier.Get(rate_key, rate, RateLimit::kLeastRate, RateLimit::kMostRate);
  tier.Get(burst_key, burst, 1, RateLimit::kMostBurst);
  if (rate == 0 && tier.Has(burst_key)) tier.Refuse(burst_key, std::string("needs ") + rate_key);
}

// STYLE = "MODEL"
void ReadStyleModels(ConfigTable& table, std::map<std::string, std::string>& models) {
  for (const std::string& style : table.Keys()) {
    table.Get(style, models[style]);
    if (models[style].empty()) table.Refuse(style, "names no model; give the name of one of models.repository");
  }
}

// After the styles were read.
void ReadTiers(ConfigTable& root, EngineOptions& options) {
  auto tiers = root.Table("tiers");
  if (!tiers) return;
  options.tiers.clear();  // those declared are all there are
  for (const std::string& name : tiers->Keys())
    if (auto tier = tiers->Table(name)) {
      if (name.empty()) tiers->Refuse(name, "has no name; a tier needs one, as in [tiers.premium]");
      TierOptions read;
      tier->GetMs("budget_ms", read.budget, Duration(1), kLongest);
      if (read.budget <= Duration::zero()) tier->Refuse("budget_ms", "is missing; for instance 15");
      tier->Get("weight", read.weight, 0.001, 1000);
      ReadLimit(*tier, "rate", read.rate, "burst", read.burst);
      ReadLimit(*tier, "user_rate", read.user_rate, "user_burst", read.user_burst);
      if (auto models = tier->Table("models")) {
        ReadStyleModels(*models, read.models);
        for (const auto& [style, model] : read.models)
          if (!options.styles.contains(style))
            models->Refuse(style, "style \"" + style + "\" is not declared under [styles]");
      }
      options.tiers[name] = std::move(read);
    }
}

void ReadUsers(ConfigTable& root, EngineOptions& options, std::string& users_file) {
  auto users = root.Table("users");
  if (!users) return;
  users->Get("file", users_file);
  for (ConfigTable& table : users->Tables("user")) {
    UserOptions user;
    table.Get("name", user.name);
    table.Get("tier", user.tier);
    table.Get("style", user.style);
    table.Get("model", user.model);
    user.where = table.Where();
    options.users.push_back(std::move(user));
  }
}

void ReadSize(ConfigTable& table, std::string_view key, std::size_t& value, std::int64_t min, std::int64_t max) {
  auto number = static_cast<std::int64_t>(value);
  table.Get(key, number, min, max);
  value = static_cast<std::size_t>(number);
}

// A shell expands it, nobody else: it would be a folder of that name beside the file.
void CheckTilde(ConfigTable& table, const std::string& directory) {
  if (directory == "~" || directory.starts_with("~/"))
    table.Refuse("directory",
                 "\"" + directory + "\": ~ means nothing here; write the whole path, or one relative to this file");
}

// The disk cache is there, with its defaults, unless it is turned off. `table`: may be absent.
void ReadDiskCache(std::optional<ConfigTable> table, const std::string& config_path, EngineOptions& options) {
  DiskLayerOptions disk;
  disk.directory = "cache";
  if (table) {
    table->Get("directory", disk.directory);
    ReadSize(*table, "bytes", disk.bytes, std::int64_t{4} << 20, std::int64_t{1} << 40);
    ReadSize(*table, "queue", disk.queue, 1, 1'000'000);
    table->GetMs("slow_look_up_ms", disk.slow_look_up, Duration(1), kLongest);
    table->GetMs("warm_up_ms", disk.warm_up, Duration(0), kLongest);
  }
  if (disk.directory.empty()) return;
  if (table) CheckTilde(*table, disk.directory);
  disk.directory = Beside(config_path, disk.directory);
  options.disk_cache = std::move(disk);
}

// What would be refused later, without a line.
void CheckRedis(ConfigTable& table, const RedisLayerOptions& redis) {
  for (const std::string& node : redis.nodes)
    if (const std::size_t scheme = node.find("://"); scheme != std::string::npos)
      table.Refuse("nodes", "\"" + node + "\": write HOST:PORT, without " + node.substr(0, scheme + 3) +
                                (node.starts_with("rediss:") ? ", and tls = true" : ""));
  if (redis.cert_file.empty() != redis.key_file.empty())
    table.Refuse(redis.cert_file.empty() ? "key_file" : "cert_file",
                 std::string("needs ") + (redis.cert_file.empty() ? "cert_file" : "key_file") +
                     " as well: give both, or none of them");
  if (const Result<void> valid = Validate(RedisOptions{redis}); valid.has_error() && !redis.nodes.empty()) {
    // "cache.redis.FIELD: what"
    const std::string message = valid.error().message;
    const std::size_t colon = message.find(": "), dot = message.rfind('.', colon);
    table.Refuse(message.substr(dot + 1, colon - dot - 1), message.substr(colon + 2));
  }
  for (const auto& [key, file] : {std::pair("ca_file", &redis.ca_file), std::pair("cert_file", &redis.cert_file),
                                  std::pair("key_file", &redis.key_file)})
    if (!file->empty() && ::access(file->c_str(), R_OK) != 0)
      table.Refuse(key, *file + ": " + std::strerror(errno) +
                            "; name a PEM file that can be read, by its whole path or relative to this file");
}

void ReadRedis(ConfigTable& cache, const std::string& config_path, EngineOptions& options) {
  auto table = cache.Table("redis");
  if (!table) return;
  RedisLayerOptions redis;
  table->Get("nodes", redis.nodes);
  if (redis.nodes.empty()) table->Refuse("nodes", "is missing; for instance [\"127.0.0.1:6379\"]");
  table->Get("username", redis.username);
  table->Get("password", redis.password);
  table->Get("tls", redis.tls);
  for (auto [key, file] : {std::pair("ca_file", &redis.ca_file), std::pair("cert_file", &redis.cert_file),
                           std::pair("key_file", &redis.key_file)}) {
    table->Get(key, *file);
    if (!file->empty()) *file = Beside(config_path, *file);
  }
  table->Get("read_from_replicas", redis.read_from_replicas);
  table->GetMs("timeout_ms", redis.timeout, Duration(1), kLongest);
  table->GetMs("connect_timeout_ms", redis.connect_timeout, Duration(1), kLongest);
  ReadSize(*table, "max_outstanding", redis.max_outstanding, 1, 1'000'000);
  table->Get("prefix", redis.prefix);
  CheckRedis(*table, redis);
  if (options.cache_secret.empty())
    cache.Refuse("secret", "is missing; servers that share a Redis share a secret, of which the keys are made");
  options.redis = std::move(redis);
}

void ReadCache(ConfigTable& root, const std::string& config_path, EngineOptions& options) {
  std::optional<ConfigTable> cache = root.Table("cache");
  ReadDiskCache(cache ? cache->Table("disk") : std::nullopt, config_path, options);
  if (!cache) return;
  cache->Get("secret", options.cache_secret);
  if (auto memory = cache->Table("memory")) {
    ReadSize(*memory, "bytes", options.memory_cache_bytes, 0, std::int64_t{1} << 40);
    if (options.memory_cache_bytes > 0 && options.memory_cache_bytes < kLeastMemoryBytes)
      memory->Refuse("bytes", "would keep hardly anything; give at least " + std::to_string(kLeastMemoryBytes) +
                                  " (1 MiB), or 0 for no memory cache");
  }
  ReadRedis(*cache, config_path, options);
}

void ReadSizes(ConfigTable& root, EngineOptions& options) {
  if (auto engine = root.Table("engine")) {
    std::int64_t workers = options.workers;
    engine->Get("workers", workers, 0, 1024);
    options.workers = static_cast<int>(workers);
    std::vector<double> cores;
    engine->Get("worker_cores", cores);
    for (const double core : cores) {
      if (core < 0 || core > 4095 || core != std::floor(core))
        engine->Refuse("worker_cores", "must be numbers of cores, as [2, 3]");
      options.worker_cores.push_back(static_cast<int>(core));
    }
    ReadSize(*engine, "queue_limit", options.queue_limit, 1, 1'000'000);
    ReadSize(*engine, "largest_batch", options.largest_batch, 1, Batches::kMost);
    std::int64_t nice = options.worker_nice;
    engine->Get("worker_nice", nice, 0, 19);
    options.worker_nice = static_cast<int>(nice);
    std::int64_t spare_workers = options.spare_workers;
    engine->Get("spare_workers", spare_workers, 0, 64);
    options.spare_workers = static_cast<int>(spare_workers);
    engine->GetMs("hung_after_ms", options.hung_after, std::chrono::milliseconds(10), kLongest);
    engine->Get("brown_out", options.brown_out);
    ReadSize(*engine, "inline_threads", options.inline_threads, 0, 1024);
    engine->GetMs("reply_reserve_ms", options.reply_reserve, Duration(0), kLongest);
  }
  if (auto market = root.Table("market")) {
    ReadSize(*market, "symbols", options.market_symbols, 1, 1'000'000);
    ReadSize(*market, "history", options.market_history, 1, 100'000);
  }
}

void ReadRequestLog(ConfigTable& root, const std::string& config_path, EngineOptions& options) {
  auto table = root.Table("request_log");
  if (!table) return;
  RequestLogOptions log;
  table->Get("directory", log.directory);
  table->Get("share", log.share, 0, 1);
  ReadSize(*table, "bytes", log.bytes, RequestLog::kLeastBytes, std::int64_t{1} << 40);
  if (log.directory.empty())
    return table->Refuse("directory", "is missing; name a folder of this server alone, as \"requests\"");
  CheckTilde(*table, log.directory);
  log.directory = Beside(config_path, log.directory);
  options.request_log = std::move(log);
}

// What is written into the repository would look like a change of models.
Result<void> CheckApart(const std::string& path, const EngineOptions& options) {
  if (!options.request_log) return {};
  std::error_code error;
  const auto whole = [&](const std::string& folder) {
    return std::filesystem::weakly_canonical(std::filesystem::absolute(folder, error), error);
  };
  const auto log = whole(options.request_log->directory), models = whole(options.model_repository);
  if (std::mismatch(models.begin(), models.end(), log.begin(), log.end()).first != models.end()) return {};
  return Fail(Code::kInvalidArgument, path + ": request_log.directory: " + options.request_log->directory +
                                          ": lies in models.repository; choose a folder outside of it");
}

}  // namespace

Result<EngineOptions> EngineOptionsFromFile(const std::string& path) {
  PUNCTUAL_ASSIGN(ConfigFile file, ConfigFile::Read(path));
  EngineOptions options;
  ConfigTable root = file.root();
  std::string users_file;
  if (auto models = root.Table("models")) {
    models->Get("repository", options.model_repository);
    models->GetMs("reload_poll_ms", options.reload_poll, Duration(0), kLongest);
    if (models->Has("backend_choices")) models->Get("backend_choices", options.backend_choices.emplace());
  }
  if (auto styles = root.Table("styles")) ReadStyleModels(*styles, options.styles);
  ReadTiers(root, options);
  ReadUsers(root, options, users_file);
  ReadSizes(root, options);
  ReadCache(root, path, options);
  ReadRequestLog(root, path, options);
  root.Ignore("server");  // the server's own: server/options.h
  PUNCTUAL_TRY(file.Finish());
  if (options.model_repository.empty())
    return Fail(Code::kInvalidArgument,
                path + ": models.repository: is missing; it must name the folder of the models");
  options.model_repository = Beside(path, options.model_repository);
  PUNCTUAL_TRY(CheckApart(path, options));
  if (options.backend_choices && !options.backend_choices->empty())
    options.backend_choices = Beside(path, *options.backend_choices);
  if (!users_file.empty()) {
    PUNCTUAL_ASSIGN(auto users, ReadUsersFile(Beside(path, users_file)));
    for (UserEntry& user : users)
      options.users.push_back({std::move(user.name), std::move(user.tier), std::move(user.style), std::move(user.model),
                               std::move(user.where)});
  }
  return options;
}

}  // namespace punctual
