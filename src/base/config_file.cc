#include "base/config_file.h"

#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace punctual {

struct ConfigFile::State {
  std::string name;
  toml::table table;
  std::set<const void*> read;     // nodes somebody asked for
  std::set<const void*> ignored;  // nodes whose inside is somebody else's
  std::optional<Error> error;
  bool is_missing = false;  // the error is about a key that is not there
};

namespace {

const toml::table& AsTable(const void* table) { return *static_cast<const toml::table*>(table); }
const toml::node& AsNode(const void* node) { return *static_cast<const toml::node*>(node); }

std::string FileAndLine(const std::string& name, const toml::node& node) {
  return name + ":" + std::to_string(node.source().begin.line);
}

// The line of the first character that is not ASCII and stands neither in quotes nor in a comment; 0: there is none.
// toml++ 3.3 takes such a character through a table that does not have it: undefined behaviour.
int FirstBareNonAsciiLine(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte order mark
  int line = 1;
  std::string_view quote;  // what ends the text in quotes that we are in
  bool comment = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      comment = false;
      if (quote.size() == 1) quote = {};  // not closed: the parser says so
    } else if (comment) {
      continue;
    } else if (!quote.empty()) {
      if (c == '\\' && quote[0] == '"') {
        if (i + 1 < text.size() && text[i + 1] != '\n') ++i;
      } else if (text.substr(i).starts_with(quote)) {
        i += quote.size() - 1;
        quote = {};
      }
    } else if (c == '"' || c == '\'') {
      const std::string_view three = text.substr(i, 3);
      quote = three == "\"\"\"" || three == "\'\'\'" ? three : three.substr(0, 1);
      i += quote.size() - 1;
    } else if (c == '#') {
      comment = true;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return line;
    }
  }
  return 0;
}

// The first key that nobody read, below `table`.
std::optional<Error> FirstUnread(const std::string& name, const toml::table& table, const std::set<const void*>& read,
                                 const std::set<const void*>& ignored, const std::string& path) {
  for (auto&& [key, node] : table) {
    if (ignored.contains(&node)) continue;
    const std::string full = path.empty() ? std::string(key.str()) : path + "." + std::string(key.str());
    if (!read.contains(&node))
      return Fail(Code::kInvalidArgument,
                  FileAndLine(name, node) + ": " + full + ": no such option; remove it or correct its name");
    if (const auto* inner = node.as_table())
      if (auto error = FirstUnread(name, *inner, read, ignored, full)) return error;
    if (const auto* array = node.as_array())
      for (auto&& element : *array)
        if (const auto* inner = element.as_table())
          if (auto error = FirstUnread(name, *inner, read, ignored, full)) return error;
  }
  return std::nullopt;
}

}  // namespace

std::string NumberText(double number) {
  std::array<char, 400> text;  // the largest has 309 digits, the smallest as many zeros and some more
  const auto written = std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return written.ec == std::errc() ? std::string(text.data(), written.ptr) : std::to_string(number);
}

std::string Beside(const std::string& config_path, const std::string& path) {
  return (std::filesystem::path(config_path).parent_path() / path).lexically_normal().string();
}

ConfigFile::ConfigFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigFile::ConfigFile(ConfigFile&&) noexcept = default;
ConfigFile& ConfigFile::operator=(ConfigFile&&) noexcept = default;
ConfigFile::~ConfigFile() = default;

Result<ConfigFile> ConfigFile::Read(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    return Fail(Code::kInvalidArgument, path + ": is a folder; give the path of a TOML file");
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(Code::kNotFound, path + ": cannot be opened; give the path of a TOML file that can be read");
  std::stringstream text;
  text << file.rdbuf();
  return Parse(text.view(), path);
}

Result<ConfigFile> ConfigFile::Parse(std::string_view text, const std::string& name) {
  if (const int line = FirstBareNonAsciiLine(text); line != 0)
    return Fail(Code::kInvalidArgument,
                name + ":" + std::to_string(line) + ": not TOML: a character that is not ASCII must stand in quotes");
  toml::parse_result parsed = toml::parse(text, name);
  if (!parsed) {
    const auto& error = parsed.error();
    return Fail(Code::kInvalidArgument, name + ":" + std::to_string(error.source().begin.line) +
                                            ": not TOML: " + std::string(error.description()));
  }
  auto state = std::make_unique<State>();
  state->name = name;
  state->table = std::move(parsed).table();
  return ConfigFile(std::move(state));
}

ConfigTable ConfigFile::root() { return ConfigTable(state_.get(), &state_->table, ""); }

Result<void> ConfigFile::Finish() const {
  if (state_->error && !state_->is_missing) return *state_->error;
  if (auto error = FirstUnread(state_->name, state_->table, state_->read, state_->ignored, "")) return *error;
  if (state_->error) return *state_->error;
  return {};
}

ConfigTable::ConfigTable(ConfigFile::State* state, const void* table, std::string path)
    : state_(state), table_(table), path_(std::move(path)) {}

std::string ConfigTable::Name(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const void* ConfigTable::Find(std::string_view key) {
  const toml::node* node = AsTable(table_).get(key);
  if (node != nullptr) state_->read.insert(node);
  return node;
}

void ConfigTable::Refuse(std::string_view key, const std::string& what) {
  if (state_->error) return;
  const toml::node* node = AsTable(table_).get(key);
  const std::string where =
      FileAndLine(state_->name, node != nullptr ? *node : static_cast<const toml::node&>(AsTable(table_)));
  state_->error = Fail(Code::kInvalidArgument, where + ": " + Name(key) + ": " + what);
  state_->is_missing = node == nullptr;
}

void ConfigTable::Get(std::string_view key, std::string& value) {
  const void* node = Find(key);
  if (node == nullptr) return;
  if (auto text = AsNode(node).value_exact<std::string>())
    value = *text;
  else
    Refuse(key, "must be text in quotes");
}

void ConfigTable::Get(std::string_view key, bool& value) {
  const void* node = Find(key);
  if (node == nullptr) return;
  if (auto flag = AsNode(node).value_exact<bool>())
    value = *flag;
  else
    Refuse(key, "must be true or false");
}

void ConfigTable::Get(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max) {
  const void* node = Find(key);
  if (node == nullptr) return;
  auto number = AsNode(node).value_exact<std::int64_t>();
  if (!number || *number < min || *number > max)
    Refuse(key, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  else
    value = *number;
}

void ConfigTable::Get(std::string_view key, double& value, double min, double max) {
  const void* node = Find(key);
  if (node == nullptr) return;
  auto number = AsNode(node).is_number() ? AsNode(node).value<double>() : std::nullopt;
  if (!number || !(*number >= min && *number <= max))
    Refuse(key, max == std::numeric_limits<double>::max()
                    ? "must be a number, at least " + NumberText(min)
                    : "must be a number from " + NumberText(min) + " to " + NumberText(max));
  else
    value = *number;
}

void ConfigTable::Get(std::string_view key, std::vector<std::string>& value) {
  const void* node = Find(key);
  if (node == nullptr) return;
  std::vector<std::string> read;
  const toml::array* array = AsNode(node).as_array();
  if (array != nullptr)
    for (auto&& element : *array)
      if (auto text = element.value_exact<std::string>()) read.push_back(*text);
  if (array == nullptr || read.size() != array->size())
    Refuse(key, "must be a list of texts, for instance [\"a\", \"b\"]");
  else
    value = std::move(read);
}

void ConfigTable::Get(std::string_view key, std::vector<double>& value) {
  const void* node = Find(key);
  if (node == nullptr) return;
  std::vector<double> read;
  const toml::array* array = AsNode(node).as_array();
  if (array != nullptr)
    for (auto&& element : *array)
      if (auto number = element.is_number() ? element.value<double>() : std::nullopt; number && std::isfinite(*number))
        read.push_back(*number);
  if (array == nullptr || read.size() != array->size())
    Refuse(key, "must be a list of finite numbers");
  else
    value = std::move(read);
}

void ConfigTable::GetMs(std::string_view key, Duration& value, Duration min, Duration max) {
  const void* node = Find(key);
  if (node == nullptr) return;
  const auto ms_of = [](Duration duration) { return static_cast<double>(duration.count()) / 1e6; };
  auto ms = AsNode(node).is_number() ? AsNode(node).value<double>() : std::nullopt;
  if (!ms || !(*ms >= ms_of(min) && *ms <= ms_of(max)))
    Refuse(key, "must be a number of milliseconds " +
                    (min == Duration(1) ? "above 0, up to " : "from " + NumberText(ms_of(min)) + " to ") +
                    NumberText(ms_of(max)));
  else
    value = Duration(std::llround(*ms * 1e6));
}

std::optional<ConfigTable> ConfigTable::Table(std::string_view key) {
  const void* node = Find(key);
  if (node == nullptr) return std::nullopt;
  const toml::table* table = AsNode(node).as_table();
  if (table == nullptr) {
    Refuse(key, "must be a table: [" + Name(key) + "]");
    return std::nullopt;
  }
  return ConfigTable(state_, table, Name(key));
}

std::vector<ConfigTable> ConfigTable::Tables(std::string_view key) {
  std::vector<ConfigTable> tables;
  const void* node = Find(key);
  if (node == nullptr) return tables;
  const toml::array* array = AsNode(node).as_array();
  if (array != nullptr)
    for (auto&& element : *array)
      if (const toml::table* table = element.as_table()) tables.push_back(ConfigTable(state_, table, Name(key)));
  if (array == nullptr || tables.size() != array->size()) Refuse(key, "must be tables: [[" + Name(key) + "]]");
  return tables;
}

bool ConfigTable::Has(std::string_view key) const { return AsTable(table_).contains(key); }

void ConfigTable::Ignore(std::string_view key) {
  if (const toml::node* node = AsTable(table_).get(key)) state_->ignored.insert(node);
}

std::string ConfigTable::Where() const { return FileAndLine(state_->name, AsTable(table_)); }

std::vector<std::string> ConfigTable::Keys() const {
  std::vector<std::string> keys;
  for (auto&& [key, node] : AsTable(table_)) keys.emplace_back(key.str());
  return keys;
}

}  // namespace punctual
