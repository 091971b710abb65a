#include "model/kept_measurements.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace punctual {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kLargestFile = kMostKeptMeasurements * 200;
constexpr int kMostLinks = 16;
constexpr Duration kLongestWait = std::chrono::milliseconds(500);
constexpr Duration kPause = std::chrono::milliseconds(2);

std::string SystemText(int error) { return std::error_code(error, std::generic_category()).message(); }

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

// A link's end, so that what is written takes the place of the file and not of the link.
fs::path Followed(fs::path path) {
  std::error_code error;
  for (int links = 0; links < kMostLinks && fs::is_symlink(path, error); ++links)
    path = path.parent_path() / fs::read_symlink(path, error);
  return path;
}

Error Unfit(const fs::path& path, Code code, const std::string& what) {
  return Fail(code, path.string() + ": " + what);
}

// None if there is no such file.
Result<std::deque<std::string>> LinesOf(const fs::path& path) {
  std::deque<std::string> lines;
  std::error_code error;
  if (!fs::exists(path, error)) return lines;
  if (!fs::is_regular_file(path, error)) return Unfit(path, Code::kInvalidArgument, "is no file; name another one");
  if (fs::file_size(path, error) > kLargestFile)
    return Unfit(path, Code::kInvalidArgument,
                 "has more than " + std::to_string(kLargestFile) + " bytes, so it is another file; name another one");
  std::ifstream file(path);
  if (!file) return Unfit(path, Code::kUnavailable, "cannot be read: " + SystemText(errno));
  for (std::string line; std::getline(file, line);) lines.push_back(std::move(line));
  return lines;
}

// Holds flock on a folder, if it can be had soon: readers need none, and a writer without it loses little.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (folder_ < 0) return;
    const TimePoint end = std::chrono::steady_clock::now() + kLongestWait;
    while (::flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(kPause);
  }
  ~FolderLock() {
    if (folder_ >= 0) ::close(folder_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  const int folder_;
};

// Beside it, and then in its place: whoever reads finds one or the other whole.
Result<void> Replace(const fs::path& path, const std::deque<std::string>& lines) {
  std::random_device random;  // a process' number is not its own: containers have one for each
  const std::string unfinished = path.string() + "." + std::to_string(random()) + std::to_string(random());
  errno = 0;
  std::ofstream file(unfinished, std::ios::trunc);
  for (const std::string& line : lines) file << line << '\n';
  file.close();
  std::error_code error;
  if (file.fail())
    error.assign(errno != 0 ? errno : EIO, std::generic_category());
  else
    fs::rename(unfinished, path, error);
  if (!error) return {};
  std::error_code ignored;
  fs::remove(unfinished, ignored);
  return Unfit(path, Code::kUnavailable, "cannot be written: " + error.message());
}

std::string LineOf(const std::string& name, const Measurements& measurements) {
  std::string line = name;
  for (const auto& [what, microseconds] : measurements) {
    std::array<char, 32> text;
    const auto [end, ignored] =
        std::to_chars(text.data(), text.data() + text.size(), microseconds, std::chars_format::fixed, 3);
    line += " " + what + " " + std::string(text.data(), end);
  }
  return line;
}

}  // namespace

std::optional<Measurements> FindKept(const std::string& path, const Digest& key) {
  const std::string name = HexText(key);
  const auto lines = LinesOf(path);
  if (lines.has_error()) return std::nullopt;  // Keep says so
  for (const std::string& line : *lines)
    if (const auto words = Words(line); !words.empty() && words[0] == name) return Parse(words);
  return std::nullopt;
}

Result<void> Keep(const std::string& path, const Digest& key, const Measurements& measurements) {
  const fs::path file = Followed(path);
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  fs::create_directories(folder, error);
  if (error) return Unfit(file, Code::kUnavailable, "cannot be written: " + error.message());
  const FolderLock lock(folder);
  PUNCTUAL_ASSIGN(std::deque<std::string> lines, LinesOf(file));
  const std::string name = HexText(key);
  std::erase_if(lines, [&name](const std::string& line) { return line.starts_with(name); });
  lines.push_back(LineOf(name, measurements));
  while (lines.size() > kMostKeptMeasurements) lines.pop_front();
  return Replace(file, lines);
}

}  // namespace punctual
