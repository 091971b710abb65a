#include <filesystem>

#include "base/config_file.h"
#include "punctual/engine.h"
#include "users/directory.h"

namespace punctual {

namespace {

constexpr Duration kLongest = std::chrono::hours(1);

// Paths in the file are relative to the file.
std::string Beside(const std::string& config_path, const std::string& path) {
  return (std::filesystem::path(config_path).parent_path() / path).lexically_normal().string();
}

void ReadTiers(ConfigTable& root, EngineOptions& options) {
  auto tiers = root.Table("tiers");
  if (!tiers) return;
  options.tiers.clear();  // those declared are all there are
  for (const std::string& name : tiers->Keys())
    if (auto tier = tiers->Table(name)) {
      TierOptions read;
      tier->GetMs("budget_ms", read.budget, Duration(1), kLongest);
      if (read.budget <= Duration::zero()) tier->Refuse("budget_ms", "is missing; for instance 15");
      options.tiers[name] = read;
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
    user.where = table.Where();
    options.users.push_back(std::move(user));
  }
}

void ReadSizes(ConfigTable& root, EngineOptions& options) {
  const auto read = [](ConfigTable& table, std::string_view key, std::size_t& value, std::int64_t min,
                       std::int64_t max) {
    auto number = static_cast<std::int64_t>(value);
    table.Get(key, number, min, max);
    value = static_cast<std::size_t>(number);
  };
  if (auto engine = root.Table("engine")) {
    std::int64_t workers = options.workers;
    engine->Get("workers", workers, 0, 1024);
    options.workers = static_cast<int>(workers);
    read(*engine, "queue_limit", options.queue_limit, 0, 1'000'000);
    read(*engine, "inline_threads", options.inline_threads, 0, 1024);
    engine->GetMs("reply_reserve_ms", options.reply_reserve, Duration(0), kLongest);
  }
  if (auto market = root.Table("market")) {
    read(*market, "symbols", options.market_symbols, 1, 1'000'000);
    read(*market, "history", options.market_history, 1, 100'000);
  }
  if (auto cache = root.Table("cache")) {
    cache->Get("secret", options.cache_secret);
    if (auto memory = cache->Table("memory"))
      read(*memory, "bytes", options.memory_cache_bytes, 0, std::int64_t{1} << 40);
  }
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
  }
  ReadTiers(root, options);
  if (auto styles = root.Table("styles"))
    for (const std::string& style : styles->Keys()) styles->Get(style, options.styles[style]);
  ReadUsers(root, options, users_file);
  ReadSizes(root, options);
  root.Ignore("server");  // the server's own: server/options.h
  PUNCTUAL_TRY(file.Finish());
  if (options.model_repository.empty())
    return Fail(Code::kInvalidArgument,
                path + ": models.repository: is missing; it must name the folder of the models");
  options.model_repository = Beside(path, options.model_repository);
  if (!users_file.empty()) {
    PUNCTUAL_ASSIGN(auto users, ReadUsersFile(Beside(path, users_file)));
    for (UserEntry& user : users)
      options.users.push_back(
          {std::move(user.name), std::move(user.tier), std::move(user.style), std::move(user.where)});
  }
  return options;
}

}  // namespace punctual
