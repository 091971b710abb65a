// Reading TOML (the configuration, model manifests) with errors that name the file, the line and the key. A key that
// nobody asked for is an error too: a misspelt option must not be a silent default.
//
//   PUNCTUAL_ASSIGN(auto file, ConfigFile::Read(path));
//   ConfigTable root = file.root();
//   root.Get("backend", backend);                 // leaves the default where the key is missing
//   if (auto features = root.Table("features")) features->Get("window", window);
//   PUNCTUAL_TRY(file.Finish());                  // the first error, or a key nobody read
//
// Read all keys of a table, also after one was refused.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

class ConfigTable;

// As people write it: "3600000", "0.2"; the fewest digits that read back as the same number.
std::string NumberText(double number);

// Paths in a file are relative to that file: `path`, which may be absolute, as the process finds it.
std::string Beside(const std::string& config_path, const std::string& path);

// Not thread-safe. ConfigTables point into it: keep it while they live; it may be moved.
class ConfigFile {
 public:
  // kNotFound: no such file; kInvalidArgument: not TOML (with line and column).
  static Result<ConfigFile> Read(const std::string& path);
  // `name` stands for the path in messages.
  static Result<ConfigFile> Parse(std::string_view text, const std::string& name);
  ConfigFile(ConfigFile&&) noexcept;
  ConfigFile& operator=(ConfigFile&&) noexcept;
  ~ConfigFile();

  ConfigTable root();
  Result<void> Finish() const;

 private:
  friend class ConfigTable;
  struct State;
  explicit ConfigFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class ConfigTable {
 public:
  // Each reads `key` into `value` if it is there; a wrong type, or a number out of [min, max], is remembered for
  // Finish().
  void Get(std::string_view key, std::string& value);
  void Get(std::string_view key, bool& value);
  void Get(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max);
  void Get(std::string_view key, double& value, double min, double max);
  void Get(std::string_view key, std::vector<std::string>& value);
  void Get(std::string_view key, std::vector<double>& value);
  // Durations are numbers of milliseconds under a key that ends in _ms (fractions allowed).
  void GetMs(std::string_view key, Duration& value, Duration min, Duration max);

  std::optional<ConfigTable> Table(std::string_view key);
  std::vector<ConfigTable> Tables(std::string_view key);  // an array of tables
  bool Has(std::string_view key) const;
  // `key` and all below it are read by somebody else, from the same file: Finish() does not ask who did.
  void Ignore(std::string_view key);
  // "FILE:LINE" of where the table begins.
  std::string Where() const;
  // Every key of the table, for tables whose keys are names ([tiers.NAME]).
  std::vector<std::string> Keys() const;

  // Remembers an error about `key` ("FILE:LINE: key: what"); the first one is what Finish() returns. If it is about a
  // key that is not there, a key that nobody read goes first: it may be that one, misspelt.
  void Refuse(std::string_view key, const std::string& what);

 private:
  friend class ConfigFile;
  ConfigTable(ConfigFile::State* state, const void* table, std::string path);
  const void* Find(std::string_view key);
  std::string Name(std::string_view key) const;

  ConfigFile::State* state_;
  const void* table_;  // a toml::table, kept out of this header: toml++ takes a second to compile
  std::string path_;
};

}  // namespace punctual
