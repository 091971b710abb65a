#include "model/versions.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

namespace punctual {

namespace fs = std::filesystem;

std::optional<std::uint64_t> VersionOf(std::string_view name) {
  std::uint64_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [last, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || last != end || number == 0) return std::nullopt;
  return number;
}

std::vector<std::string> VersionsOf(const std::string& model_folder) {
  std::vector<std::pair<std::uint64_t, std::string>> versions;
  std::error_code error;
  for (fs::directory_iterator it(model_folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    const auto number = VersionOf(name);
    if (std::error_code ignored; number && it->is_directory(ignored)) versions.emplace_back(*number, std::move(name));
  }
  std::sort(versions.rbegin(), versions.rend());
  std::vector<std::string> names;
  for (auto& version : versions) names.push_back(std::move(version.second));
  return names;
}

}  // namespace punctual
