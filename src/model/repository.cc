#include "model/repository.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/reference.h"
#include "model/student.h"
#include "model/versions.h"

namespace punctual {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{2} << 30;  // protobuf's own limit for a file

Result<std::string> ReadFile(const fs::path& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error) return Fail(Code::kNotFound, path.string() + ": cannot be read: " + error.message());
  if (size > kMaxFileBytes) return Fail(Code::kInvalidArgument, path.string() + ": is over 2 GiB");
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(size)))
    return Fail(Code::kNotFound, path.string() + ": cannot be read");
  return text;
}

Result<ModelFiles> ReadFiles(const fs::path& folder, const std::string& name, const std::string& version) {
  ModelFiles files;
  files.name = name;
  files.version = version;
  files.manifest_path = (folder / "model.toml").string();
  PUNCTUAL_ASSIGN(const std::string manifest, ReadFile(files.manifest_path));
  PUNCTUAL_ASSIGN(files.manifest, ParseManifest(manifest, files.manifest_path));
  files.onnx_path = (folder / version / ModelFileName(files.manifest)).string();
  PUNCTUAL_ASSIGN(files.onnx, ReadFile(files.onnx_path));
  if (files.manifest.HasReference()) {
    files.float_path = (folder / version / ModelFileName(InFloat(files.manifest))).string();
    // Read once also where the variant has no file of its own.
    auto in_float = files.float_path == files.onnx_path ? Result<std::string>(files.onnx) : ReadFile(files.float_path);
    if (in_float.has_error()) return NoReference(files, in_float.error());
    files.float_onnx = std::move(in_float).value();
  }
  std::error_code error;
  const fs::path signals = folder / version / "signals.csv";
  if (fs::exists(signals, error)) {
    files.signals_path = signals.string();
    PUNCTUAL_ASSIGN(files.signals, ReadFile(signals));
  }
  return files;
}

}  // namespace

Repository::Repository(std::string path, LoadOptions options)
    : path_(std::move(path)), options_(options), view_(std::make_shared<const View>()) {}

std::string Repository::Fingerprint(const std::string& folder) {
  std::vector<std::string> folders = {folder};
  for (const std::string& version : VersionsOf(folder)) folders.push_back((fs::path(folder) / version).string());
  std::string all;
  for (const std::string& each : folders) {
    std::error_code error, ignored;
    std::vector<std::string> lines;
    for (fs::directory_iterator it(each, error), end; !error && it != end; it.increment(error))
      if (it->is_regular_file(ignored))
        lines.push_back(it->path().string() + " " + std::to_string(it->file_size(ignored)) + " " +
                        std::to_string(it->last_write_time(ignored).time_since_epoch().count()));
    std::sort(lines.begin(), lines.end());
    // A folder counts without a file, too: an empty version is one that cannot be loaded. And where it leads: a version
    // may be a link, and be led to another build.
    all += each + " " + fs::canonical(each, ignored).string() + "\n";
    for (const std::string& line : lines) all += line + "\n";
  }
  return all;
}

RepositoryEntry Repository::LoadModel(const std::string& name, const RepositoryEntry* before) const {
  const fs::path folder = fs::path(path_) / name;
  RepositoryEntry entry{name, nullptr, ""};
  const std::vector<std::string> versions = VersionsOf(folder.string());
  if (versions.empty()) entry.error = folder.string() + ": has no version folder (1/model.onnx)";
  for (const std::string& version : versions) {
    auto files = ReadFiles(folder, name, version);
    auto loaded = files.has_error() ? Result<std::shared_ptr<const ServedModel>>(files.error())
                                    : ServedModel::Load(files.value(), options_);
    if (loaded.has_value()) {
      entry.served = std::move(loaded).value();
      return entry;
    }
    if (entry.error.empty()) entry.error = loaded.error().message;
    // What served until now is better than an older version: it is known to work.
    if (before != nullptr && before->served != nullptr) break;
  }
  if (before != nullptr) entry.served = before->served;
  return entry;
}

Result<int> Repository::Reload() {
  MutexLock lock(reload_mutex_);
  std::erase_if(retired_, [](const auto& model) { return model.use_count() == 1; });
  std::error_code error;
  if (!fs::is_directory(path_, error))
    return Fail(Code::kNotFound, path_ + ": no such folder; models.repository must name a folder of models");
  const std::shared_ptr<const View> before = view_.Get();
  auto view = std::make_shared<View>();
  int changes = 0;
  fs::directory_iterator it(path_, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    const fs::path directory = it->path();
    const std::string name = directory.filename().string();
    // Any other folder is none of ours; one with a version is a model whose manifest was forgotten, and is refused.
    std::error_code ignored;
    if (!fs::exists(directory / "model.toml", ignored) && VersionsOf(directory.string()).empty()) continue;
    const auto known = before->find(name);
    const RepositoryEntry* entry_before = known == before->end() ? nullptr : &known->second;
    std::string fingerprint = Fingerprint(directory.string());
    if (entry_before != nullptr && fingerprints_[name] == fingerprint) {
      view->emplace(name, *entry_before);
      continue;
    }
    view->emplace(name, LoadModel(name, entry_before));
    fingerprints_[name] = std::move(fingerprint);
    ++changes;
  }
  // A folder that could not be read to its end is not one without models: what serves goes on.
  if (error) return Fail(Code::kUnavailable, path_ + ": cannot be read: " + error.message());
  for (const auto& [name, entry] : *before) {
    const auto now = view->find(name);
    if (now == view->end()) {
      fingerprints_.erase(name);
      ++changes;
    }
    if (entry.served != nullptr && (now == view->end() || now->second.served != entry.served))
      retired_.push_back(entry.served);
  }
  if (changes == 0) return 0;
  FindStudents(*view);
  view_.Set(std::move(view));
  return changes;
}

void Repository::FindStudents(View& view) {
  for (auto& [name, entry] : view) {
    entry.student = nullptr;
    entry.student_error.clear();
    if (entry.served == nullptr || entry.served->manifest().student.empty()) continue;
    const std::string& student = entry.served->manifest().student;
    const auto found = view.find(student);
    Result<void> fits;
    if (found == view.end())
      fits = Fail(Code::kNotFound, "is not in the repository");
    else if (found->second.served == nullptr)
      fits = Fail(Code::kFailedPrecondition, "could not be loaded");
    else
      fits = CheckStudent(*entry.served, *found->second.served);
    if (fits.has_value())
      entry.student = found->second.served;
    else
      entry.student_error = "student: model \"" + student + "\" " + fits.error().message;
  }
}

Result<Answerers> Repository::Find(std::string_view name) const {
  const std::shared_ptr<const View> view = view_.Get();
  const auto found = view->find(name);
  if (found == view->end()) {
    std::string names;
    for (const auto& [known, entry] : *view) names += (names.empty() ? "" : ", ") + known;
    return Fail(Code::kNotFound, "model: \"" + std::string(name) +
                                     "\" is not in the repository; there are: " + (names.empty() ? "none" : names));
  }
  if (found->second.served == nullptr)
    return Fail(Code::kFailedPrecondition,
                "model: \"" + std::string(name) + "\" could not be loaded: " + found->second.error);
  return Answerers{found->second.served, found->second.student};
}

}  // namespace punctual
