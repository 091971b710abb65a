#include "optimize/work_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>

#include "optimize/model_folder.h"

namespace punctual::optimize {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMade = "made";
constexpr const char* kKept = "kept";
constexpr const char* kKey = "key";
constexpr const char* kLock = "lock";

Error Refused(const std::string& path, int error) {
  const bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return Fail(is_full ? Code::kResourceExhausted : Code::kInternal,
              path + ": cannot be written: " + std::strerror(error) +
                  (is_full ? "; make room and run the same command again, it goes on where it was"
                   : error == ELOOP || error == EISDIR ? "; it is none of ours, remove it"
                                                       : ""));
}

Result<void> WriteAll(int file, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Refused(path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// `on_disk`: returns when it is. Some file systems only then find out that they are full; and it may take long.
Result<void> WriteFile(const std::string& path, std::string_view bytes, bool on_disk) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (file < 0) return Refused(path, errno);
  Result<void> written = WriteAll(file, path, bytes);
  if (written.has_value() && on_disk && ::fsync(file) != 0) written = Refused(path, errno);
  if (::close(file) != 0 && written.has_value()) written = Refused(path, errno);
  return written;
}

Result<void> MakeFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return Refused(path.string(), error.value());
  return {};
}

Result<void> RemoveFolder(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return Fail(Code::kInternal, path.string() + ": cannot be removed: " + error.message() + "; remove it");
  return {};
}

}  // namespace

Result<WorkFolder> WorkFolder::Open(const std::string& target, const Digest& key) {
  std::error_code error;
  const fs::path folder = fs::absolute(target, error).lexically_normal();
  const fs::path parent = folder.parent_path();
  if (fs::symlink_status(folder, error).type() != fs::file_type::not_found)
    return Fail(Code::kAlreadyExists, target + ": is there already; remove it, or give another --out");
  if (!fs::is_directory(parent, error))
    return Fail(Code::kInvalidArgument, "--out: " + parent.string() + ": no such folder");
  // Neither a model's name nor a version's: a repository does not look into it.
  const fs::path path = parent / ("." + folder.filename().string() + ".optimizing");
  fs::create_directory(path, error);
  if (error == std::errc::no_space_on_device) return Refused(path.string(), error.value());
  if (error)
    return Fail(Code::kInvalidArgument, "--out: " + parent.string() + ": cannot be written: " + error.message());
  // What is removed from it must not be somebody else's, elsewhere.
  if (fs::symlink_status(path, error).type() != fs::file_type::directory)
    return Fail(Code::kInvalidArgument, path.string() + ": is no folder, but a link; remove it");
  const int lock = ::open((path / kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (lock < 0) return Refused((path / kLock).string(), errno);
  WorkFolder work(folder.string(), path.string(), lock);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
    return Fail(Code::kUnavailable, path.string() + ": another run is at work on it; wait for it, or stop it");
  const std::string name = HexText(key);
  const Result<std::string> before = ReadWholeFile((path / kKey).string());
  // What cannot be removed would be taken for this run's.
  const bool same = before.has_value() && *before == name;
  if (!fs::is_empty(path / kKept, error) && !error) work.left_ = same ? Left::kThisRuns : Left::kAnothers;
  if (!same) PUNCTUAL_TRY(RemoveFolder(path / kKept));
  PUNCTUAL_TRY(RemoveFolder(path / kMade));
  PUNCTUAL_TRY(MakeFolder(path / kKept));
  PUNCTUAL_TRY(MakeFolder(path / kMade));
  PUNCTUAL_TRY(WriteFile((path / kKey).string(), name, false));
  return work;
}

WorkFolder::WorkFolder(WorkFolder&& other) noexcept
    : target_(other.target_), path_(other.path_), lock_(std::exchange(other.lock_, -1)), left_(other.left_) {}

WorkFolder::~WorkFolder() {
  if (lock_ >= 0) ::close(lock_);
}

Result<void> WorkFolder::Keep(const std::string& stage, std::string_view bytes) {
  const std::string path = (fs::path(path_) / kKept / stage).string();
  PUNCTUAL_TRY(WriteFile(path + ".part", HexText(DigestOf(bytes)) + std::string(bytes), false));
  if (std::rename((path + ".part").c_str(), path.c_str()) != 0) return Refused(path, errno);
  return {};
}

std::optional<std::string> WorkFolder::Kept(const std::string& stage) const {
  Result<std::string> bytes = ReadWholeFile((fs::path(path_) / kKept / stage).string());
  constexpr std::size_t kDigest = 32;
  if (bytes.has_error() || bytes->size() < kDigest) return std::nullopt;
  const std::string_view rest = std::string_view(*bytes).substr(kDigest);
  if (HexText(DigestOf(rest)) != bytes->substr(0, kDigest)) return std::nullopt;
  return std::string(rest);
}

Result<void> WorkFolder::Write(const std::string& path, std::string_view bytes) {
  const fs::path full = fs::path(path_) / kMade / path;
  PUNCTUAL_TRY(MakeFolder(full.parent_path()));
  return WriteFile(full.string(), bytes, true);
}

Result<void> WorkFolder::Publish() {
  const fs::path made = fs::path(path_) / kMade;
  // Onto a folder that has something in it, or a file, it fails.
  if (std::rename(made.c_str(), target_.c_str()) != 0) {
    if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
      return Fail(Code::kAlreadyExists, target_ + ": was made by somebody else meanwhile");
    return Refused(target_, errno);
  }
  Remove();
  return {};
}

void WorkFolder::Remove() {
  std::error_code error;
  fs::remove_all(path_, error);
}

}  // namespace punctual::optimize
