#include "optimize/read_data.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>

#include "optimize/read_books.h"
#include "optimize/read_labels.h"
#include "optimize/read_tensors.h"

namespace punctual::optimize {

namespace {

constexpr std::size_t kMostSamples = 100'000;

// By its first bytes: NumPy's own, or a zip archive's.
bool IsOfTensors(const std::string& path) {
  std::string begin(6, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<std::size_t>(file.gcount()));
  return begin == "\x93NUMPY" || begin.starts_with("PK\x03\x04") || begin.starts_with("PK\x05\x06");
}

// Each is opened several times, so that a pipe will not do.
Result<void> CheckFile(const std::string& option, const std::string& path) {
  std::error_code error;
  const auto type = std::filesystem::status(path, error).type();
  if (type == std::filesystem::file_type::not_found)
    return Fail(Code::kNotFound, option + ": " + path + ": no such file");
  if (type != std::filesystem::file_type::regular)
    return Fail(Code::kInvalidArgument, option + ": " + path + ": is no regular file; write it to one");
  return {};
}

// Of more samples, every so many: as ReadBooks does.
void Thin(Samples& samples) {
  const std::size_t count = samples.count();
  if (count <= kMostSamples) return;
  const auto kept = [&](std::size_t i) { return i * count / kMostSamples; };
  for (std::vector<std::byte>& values : samples.values) {
    const std::size_t bytes = values.size() / count;
    for (std::size_t i = 0; i < kMostSamples; ++i)
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(kept(i) * bytes), bytes,
                  values.begin() + static_cast<std::ptrdiff_t>(i * bytes));
    values.resize(kMostSamples * bytes);
  }
  const auto thin = [&](auto& column) {
    if (column.empty()) return;
    for (std::size_t i = 0; i < kMostSamples; ++i) column[i] = column[kept(i)];
    column.resize(kMostSamples);
  };
  thin(samples.time_ns);
  thin(samples.symbol);
  thin(samples.snapshot);
  thin(samples.labels);
}

Result<Samples> ReadSamples(const Subject& subject, const std::vector<std::string>& files, bool of_tensors,
                            const std::function<void(std::size_t, std::size_t)>& progress) {
  if (of_tensors && files.size() > 1)
    return Fail(Code::kInvalidArgument,
                "--data: tensors must be in one file, by the inputs' names in a .npz, and apart from order books");
  if (of_tensors) return ReadTensors(files.front(), subject.inputs);
  if (!subject.plan)
    return Fail(Code::kInvalidArgument, "--data: " + files.front() +
                                            ": is no .npy or .npz, and without [features] in its model.toml the "
                                            "model cannot be asked about order books");
  return ReadBooks(files, *subject.plan, subject.inputs.front(), {.progress = progress});
}

template <class Number>
void AppendDigest(const std::vector<Number>& numbers, std::string& text) {
  text += HexText(DigestOf(std::as_bytes(std::span(numbers)))) + "|";
}

}  // namespace

bool AreTensors(const DataFiles& data) { return std::any_of(data.files.begin(), data.files.end(), IsOfTensors); }

Result<Samples> ReadData(const Subject& subject, const DataFiles& data,
                         const std::function<void(std::size_t, std::size_t)>& progress) {
  if (data.files.empty()) return Fail(Code::kInvalidArgument, "--data: names no file");
  for (const std::string& file : data.files) PUNCTUAL_TRY(CheckFile("--data", file));
  if (!data.labels.empty()) PUNCTUAL_TRY(CheckFile("--labels", data.labels));
  const bool of_tensors = AreTensors(data);
  PUNCTUAL_ASSIGN(Samples samples, ReadSamples(subject, data.files, of_tensors, progress));
  if (!data.labels.empty()) {
    PUNCTUAL_ASSIGN(const Labels labels, ReadLabels(data.labels));
    PUNCTUAL_TRY(of_tensors ? LabelInOrder(labels, samples) : LabelByTime(labels, samples));
  }
  if (of_tensors) Thin(samples);
  return samples;
}

Result<Digest> DigestOfFiles(const DataFiles& data) {
  std::string text;
  std::vector<char> part(std::size_t{4} << 20);
  for (const std::string& path : data.files) {
    std::ifstream file(path, std::ios::binary);
    do {
      file.read(part.data(), static_cast<std::streamsize>(part.size()));
      text += HexText(DigestOf(std::as_bytes(std::span(part.data(), static_cast<std::size_t>(file.gcount())))));
    } while (file);
    if (!file.eof()) return Fail(Code::kNotFound, "--data: " + path + ": cannot be read");
    text += "|";
  }
  return DigestOf(text);
}

Digest DigestOfSamples(const Samples& samples) {
  std::string text;
  for (std::size_t i = 0; i < samples.inputs.size(); ++i) {
    text += samples.inputs[i].name + "|";
    AppendDigest(samples.values[i], text);
  }
  AppendDigest(samples.time_ns, text);
  AppendDigest(samples.symbol, text);
  AppendDigest(samples.snapshot, text);
  AppendDigest(samples.labels, text);
  for (const std::string& symbol : samples.symbols) text += symbol + "\n";
  return DigestOf(text);
}

}  // namespace punctual::optimize
