#include "model/kept_measurements.h"

#include <unistd.h>

#include <charconv>
#include <cmath>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

namespace punctual {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kLargestFile = kMostKeptMeasurements * 200;

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

std::optional<Measurements> Parse(const std::vector<std::string_view>& words) {
  Measurements found;
  if (words.size() < 3 || words.size() % 2 == 0) return std::nullopt;
  for (std::size_t i = 1; i < words.size(); i += 2) {
    double number = 0;
    const char* const end = words[i + 1].data() + words[i + 1].size();
    const auto [stop, error] = std::from_chars(words[i + 1].data(), end, number);
    if (error != std::errc() || stop != end || !std::isfinite(number) || number <= 0) return std::nullopt;
    found[std::string(words[i])] = number;
  }
  return found;
}

std::deque<std::string> LinesOf(const std::string& path) {
  std::deque<std::string> lines;
  std::error_code error;
  const std::uintmax_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  if (error || size > kLargestFile) return lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  return lines;
}

}  // namespace

std::optional<Measurements> FindKept(const std::string& path, const Digest& key) {
  const std::string name = HexText(key);
  for (const std::string& line : LinesOf(path))
    if (const auto words = Words(line); !words.empty() && words[0] == name) return Parse(words);
  return std::nullopt;
}

bool Keep(const std::string& path, const Digest& key, const Measurements& measurements) {
  const std::string name = HexText(key);
  std::deque<std::string> lines = LinesOf(path);
  std::erase_if(lines, [&name](const std::string& line) { return line.starts_with(name); });
  std::string added = name;
  for (const auto& [what, microseconds] : measurements) {
    std::array<char, 32> text;
    const auto [end, ignored] =
        std::to_chars(text.data(), text.data() + text.size(), microseconds, std::chars_format::fixed, 3);
    added += " " + what + " " + std::string(text.data(), end);
  }
  lines.push_back(std::move(added));
  while (lines.size() > kMostKeptMeasurements) lines.pop_front();

  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  // Beside it, and then in its place: whoever reads finds one or the other whole.
  const std::string unfinished = path + "." + std::to_string(::getpid());
  std::ofstream file(unfinished, std::ios::trunc);
  for (const std::string& line : lines) file << line << '\n';
  file.close();
  if (file.fail()) {
    fs::remove(unfinished, error);
    return false;
  }
  fs::rename(unfinished, path, error);
  return !error;
}

}  // namespace punctual
