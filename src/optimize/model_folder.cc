#include "optimize/model_folder.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <set>
#include <span>
#include <utility>

#include "base/clock.h"
#include "model/versions.h"
#include "optimize/toml_text.h"

namespace punctual::optimize {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLongestBeside = std::string_view(".-optimized.optimizing").size();  // of what is made beside it
constexpr std::uintmax_t kMostBytes = std::uintmax_t{2} << 30;

// The names of the folders in it that are a model's, by name.
std::string ModelsIn(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code error, ignored;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (fs::exists(it->path() / "model.toml", ignored)) names.insert(it->path().filename().string());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string Shortest(double number) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, static_cast<float>(number)).ptr};
}

std::size_t AfterByteOrderMark(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  return text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
}

// Where the value of the key `variant` stands among the keys before the first table; npos: it has none.
std::pair<std::size_t, std::size_t> FindVariant(std::string_view text) {
  for (std::size_t begin = AfterByteOrderMark(text); begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != line.npos && line[first] == '[') break;
    const std::string_view rest = first == line.npos ? "" : line.substr(first);
    for (const std::string_view key : {"variant", "\"variant\"", "'variant'"}) {
      if (!rest.starts_with(key)) continue;
      const std::size_t equals = rest.find_first_not_of(" \t", key.size());
      if (equals == rest.npos || rest[equals] != '=') continue;
      const std::size_t quote = rest.find_first_of("\"'", equals);
      const std::size_t close = quote == rest.npos ? rest.npos : rest.find(rest[quote], quote + 1);
      if (close != rest.npos) return {begin + first + quote, close + 1 - quote};
    }
    begin = end + 1;
  }
  return {std::string_view::npos, 0};
}

// Folders are called after it, and the report has it in UTF-8.
Result<void> CheckName(const std::string& path, const std::string& name) {
  if (name == "report.json" || name == "report.html")
    return Fail(Code::kInvalidArgument, path + ": is called as a file of the folder to be made; rename it");
  if (!simdjson::validate_utf8(name))
    return Fail(Code::kInvalidArgument, path + ": its name is not UTF-8, which a report is written in; rename it");
  if (name.size() > NAME_MAX - kLongestBeside)
    return Fail(Code::kInvalidArgument, path + ": its name is too long for what is made beside it; rename it, to " +
                                            std::to_string(NAME_MAX - kLongestBeside) + " bytes at most");
  return {};
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return Fail(Code::kNotFound, path + ": cannot be read: " + error.message());
  if (size > kMostBytes) return Fail(Code::kResourceExhausted, path + ": is over 2 GiB");
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(size)))
    return Fail(Code::kNotFound, path + ": cannot be read");
  return text;
}

Result<ModelFolder> ReadModelFolder(const std::string& path) {
  const fs::path folder = fs::path(path);
  if (std::error_code error; !fs::is_directory(folder, error))
    return Fail(Code::kNotFound, path + (fs::exists(folder, error) ? ": is no folder" : ": no such folder") +
                                     "; name a model's, with its model.toml");
  ModelFolder model;
  model.path = (folder.has_filename() ? folder : folder.parent_path()).string();
  std::error_code error;
  // As it was called, also where it is a link: that is its name in a repository.
  const std::string last = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  model.name = last == "." || last == ".." || last.empty() ? fs::canonical(folder, error).filename().string() : last;
  PUNCTUAL_TRY(CheckName(path, model.name));
  const std::string manifest_path = (folder / "model.toml").string();
  if (const std::string models = ModelsIn(folder); !models.empty() && !fs::exists(manifest_path, error))
    return Fail(Code::kNotFound, path + ": is a repository; name one of its models: " + models);
  PUNCTUAL_ASSIGN(model.manifest_text, ReadWholeFile(manifest_path));
  PUNCTUAL_ASSIGN(model.manifest, ParseManifest(model.manifest_text, manifest_path));
  if (model.manifest.variant == "int8")
    return Fail(Code::kFailedPrecondition,
                manifest_path + ": variant: is \"int8\" already; optimise the model in float: variant = \"fp32\"");
  const std::vector<std::string> versions = VersionsOf(path);
  if (versions.empty()) return Fail(Code::kNotFound, path + ": has no version folder (1/model.onnx)");
  model.version = versions.front();
  model.onnx_path = (folder / model.version / "model.onnx").string();
  PUNCTUAL_ASSIGN(model.onnx, ReadWholeFile(model.onnx_path));
  const fs::path signals = folder / model.version / "signals.csv";
  if (fs::exists(signals, error)) {
    PUNCTUAL_ASSIGN(model.signals, ReadWholeFile(signals.string()));
  }
  return model;
}

std::string WithVariant(std::string_view manifest_text, std::string_view variant) {
  const std::string value = "\"" + std::string(variant) + "\"";
  std::string text(manifest_text);
  const auto [at, size] = FindVariant(manifest_text);
  if (at == std::string_view::npos) return text.insert(AfterByteOrderMark(text), "variant = " + value + "\n");
  return text.replace(at, size, value);
}

std::string WithStudent(std::string_view manifest_text, std::string_view student) {
  std::string text(manifest_text);
  return text.insert(AfterByteOrderMark(text), "student = " + TomlString(student) + "\n");
}

std::string SignalsOf(const Samples& samples, const std::vector<std::size_t>& indices,
                      const std::vector<TensorSpec>& outputs, const std::vector<Answers>& answers) {
  struct Sums {
    std::size_t count = 0;
    std::int64_t last_ns = 0;
    std::vector<double> sums;
  };
  std::size_t width = 0;
  for (const Answers& of_output : answers) width += of_output.width;
  std::vector<Sums> by_symbol(samples.symbols.size(), Sums{.sums = std::vector<double>(width)});
  for (std::size_t i = 0; i < indices.size(); ++i) {
    Sums& sums = by_symbol[samples.symbol[indices[i]]];
    ++sums.count;
    sums.last_ns = std::max(sums.last_ns, samples.time_ns[indices[i]]);
    auto to = sums.sums.begin();
    for (const Answers& of_output : answers)
      for (const float number : of_output[i]) *to++ += static_cast<double>(number);
  }
  std::string rows;
  for (std::size_t symbol = 0; symbol < by_symbol.size(); ++symbol) {
    const Sums& sums = by_symbol[symbol];
    const std::string& name = samples.symbols[symbol];
    // A counter is no time, and a signal of the future would be refused.
    constexpr std::int64_t kYear2000Ns = 946'684'800'000'000'000;
    const bool has_time = sums.last_ns >= kYear2000Ns && sums.last_ns <= UnixTimeNs();
    if (sums.count == 0 || name.empty() || !has_time || name.find_first_of(",\r\n") != name.npos) continue;
    rows += name + "," + std::to_string(sums.last_ns);
    for (const double sum : sums.sums) rows += "," + Shortest(sum / static_cast<double>(sums.count));
    rows += "\n";
  }
  if (rows.empty()) return "";
  std::string header = "symbol,computed_at_ns";
  for (std::size_t output = 0; output < outputs.size(); ++output)
    for (std::size_t i = 0; i < answers[output].width; ++i)
      header += "," + outputs[output].name + "_" + std::to_string(i);
  return header + "\n" + rows;
}

}  // namespace punctual::optimize
