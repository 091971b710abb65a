#include "cache/disk/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "cache/disk/lmdb_check.h"

namespace punctual {

namespace fs = std::filesystem;

namespace {

constexpr char kLockFile[] = "punctual.lock";
constexpr char kDataFile[] = "data.mdb";
constexpr char kDataLockFile[] = "lock.mdb";
constexpr char kDamaged[] = "data.mdb.damaged-";
// Where the locks lie in the lock file.
constexpr int kLife = 0, kTurn = 1, kGate = 2;
constexpr Duration kGateWait = std::chrono::seconds(10);
// Room for LMDB's table of readers: 64 bytes each, and its own head.
constexpr off_t kDataLockFileBytes = 1024 * 64 + 4096;

std::string SystemError(int code) { return std::error_code(code, std::generic_category()).message(); }

// LMDB does not bear one environment twice in a process.
Mutex open_mutex;
std::set<std::pair<dev_t, ino_t>>& OpenHere() REQUIRES_LOCK(open_mutex) {
  static std::set<std::pair<dev_t, ino_t>> open;
  return open;
}

bool ReadAt(int file, std::uint64_t offset, std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t got = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    offset += static_cast<std::uint64_t>(got);
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace

Error DiskDirectory::Refuse(Code code, const std::string& what) const {
  return Fail(code, "cache.disk.directory: " + path_ + ": " + what);
}

Result<std::unique_ptr<DiskDirectory>> DiskDirectory::Open(const std::string& path, std::uint64_t bytes) {
  std::unique_ptr<DiskDirectory> directory(new DiskDirectory(path));
  PUNCTUAL_TRY(directory->Make());
  bool ours = false;
  PUNCTUAL_TRY(directory->CheckFiles(ours));
  const std::string lock = directory->File(kLockFile);
  directory->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (directory->lock_ < 0)
    return directory->Refuse(Code::kFailedPrecondition, std::string(kLockFile) +
                                                            " cannot be opened: " + SystemError(errno) +
                                                            "; choose a folder that this user may write to");
  PUNCTUAL_TRY(directory->TakeGate());
  directory->alone_ = directory->Lock(kLife, F_WRLCK);
  if (directory->alone_) {
    PUNCTUAL_TRY(directory->Validate(bytes));
    PUNCTUAL_TRY(directory->AllocateLockFile());
  } else if (!directory->Lock(kLife, F_RDLCK)) {
    return directory->Refuse(Code::kUnavailable, std::string(kLockFile) + " cannot be locked: " + SystemError(errno) +
                                                     "; choose a folder on a disk of this machine");
  }
  return directory;
}

DiskDirectory::~DiskDirectory() {
  if (lock_ >= 0) ::close(lock_);
  if (!registered_) return;
  MutexLock lock(open_mutex);
  OpenHere().erase(identity_);
}

Result<void> DiskDirectory::Make() {
  if (path_.empty()) return Refuse(Code::kInvalidArgument, "is empty");
  std::error_code error;
  const fs::path absolute = fs::absolute(path_, error).lexically_normal();
  if (error) return Refuse(Code::kInvalidArgument, "is no path: " + error.message());
  fs::create_directories(absolute.has_filename() ? absolute.parent_path() : absolute.parent_path().parent_path(),
                         error);
  if (!error && ::mkdir(absolute.c_str(), 0700) != 0 && errno != EEXIST)
    error = std::error_code(errno, std::generic_category());
  if (error)
    return Refuse(Code::kFailedPrecondition,
                  "cannot be made: " + error.message() + "; choose a folder that this user may make");
  const fs::path real = fs::canonical(absolute, error);
  struct stat found {};
  if (error || ::stat(real.c_str(), &found) != 0)
    return Refuse(Code::kFailedPrecondition, "cannot be read: " + (error ? error.message() : SystemError(errno)));
  if (!S_ISDIR(found.st_mode)) return Refuse(Code::kFailedPrecondition, "is no folder; choose another one");
  if (found.st_uid != ::geteuid() || (found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Refuse(Code::kFailedPrecondition,
                  "others could change answers in it; give it to the user that Punctual runs as, and to nobody else "
                  "for writing (chmod 700)");
  path_ = real;
  identity_ = {found.st_dev, found.st_ino};
  MutexLock lock(open_mutex);
  registered_ = OpenHere().insert(identity_).second;
  if (!registered_)
    return Refuse(Code::kFailedPrecondition, "is open in this process already; give each engine a folder of its own");
  return {};
}

Result<void> DiskDirectory::CheckFiles(bool& ours) {
  bool data = false;
  for (const char* name : {kLockFile, kDataFile, kDataLockFile}) {
    struct stat found {};
    if (::lstat(File(name).c_str(), &found) != 0) continue;
    if (!S_ISREG(found.st_mode) || found.st_uid != ::geteuid() || found.st_nlink != 1)
      return Refuse(Code::kFailedPrecondition,
                    std::string(name) + " is no plain file of this user with one name; remove it");
    ours = ours || name == kLockFile;
    data = data || name == kDataFile;
  }
  if (data && !ours)
    return Refuse(
        Code::kFailedPrecondition,
        "holds a data.mdb that is not Punctual's (there is no punctual.lock beside it); choose another folder");
  return {};
}

Result<void> DiskDirectory::TakeGate() {
  const TimePoint until = Clock::Real().Now() + kGateWait;
  while (!Lock(kGate, F_WRLCK)) {
    if (errno != EAGAIN && errno != EACCES)
      return Refuse(Code::kFailedPrecondition, std::string(kLockFile) + " cannot be locked: " + SystemError(errno) +
                                                   "; choose a folder on a disk of this machine");
    if (Clock::Real().Now() > until)
      return Refuse(Code::kUnavailable,
                    "another process has been opening or closing it for 10 s; see whether one hangs");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return {};
}

Result<void> DiskDirectory::Validate(std::uint64_t bytes) {
  const int file = ::open(File(kDataFile).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT) return {};
    return Refuse(Code::kFailedPrecondition,
                  std::string(kDataFile) + " cannot be opened: " + SystemError(errno) + "; remove it");
  }
  struct stat found {};
  LmdbCheck check;
  if (::fstat(file, &found) == 0) {
    check =
        CheckLmdbFile({[file](std::uint64_t offset, std::span<std::byte> into) { return ReadAt(file, offset, into); },
                       static_cast<std::uint64_t>(found.st_size), kMaxDiskCacheBytes});
  }
  ::close(file);
  if (check.verdict == LmdbCheck::Verdict::kOtherVersion)
    return Refuse(Code::kFailedPrecondition, std::string(kDataFile) + " is another LMDB's: " + check.what +
                                                 ", this one reads 1; remove it or choose another folder");
  if (check.verdict == LmdbCheck::Verdict::kDamaged) return MoveAside(check.what);
  if (static_cast<std::uint64_t>(found.st_size) > bytes) {
    // LMDB's files never shrink.
    if (::unlink(File(kDataFile).c_str()) != 0 || (::unlink(File(kDataLockFile).c_str()) != 0 && errno != ENOENT))
      return Refuse(Code::kFailedPrecondition, "its files cannot be removed: " + SystemError(errno));
    notice_ = "cache.disk: " + path_ + " held " + std::to_string(found.st_size) +
              " bytes, more than cache.disk.bytes allows, and was begun anew";
  }
  return {};
}

Result<void> DiskDirectory::MoveAside(const std::string& what) {
  std::error_code error;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with(kDamaged)) {
      std::error_code ignored;
      fs::remove(it->path(), ignored);
    }
  moved_aside_ = kDamaged + std::to_string(UnixTimeNs() / 1'000'000'000);
  if (::rename(File(kDataFile).c_str(), File(moved_aside_).c_str()) != 0 ||
      (::unlink(File(kDataLockFile).c_str()) != 0 && errno != ENOENT))
    return Refuse(Code::kFailedPrecondition,
                  "is damaged (" + what + ") and cannot be moved aside: " + SystemError(errno) + "; remove its files");
  notice_ = "cache.disk: " + path_ + "/data.mdb was damaged (" + what + "); it was moved aside to " + moved_aside_ +
            " and the disk layer begins empty";
  return {};
}

// LMDB writes to this file through a map: on a full disk that would be a signal (SIGBUS) and not an error.
Result<void> DiskDirectory::AllocateLockFile() {
  const int file = ::open(File(kDataLockFile).c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  const int failed = file < 0 ? errno : ::posix_fallocate(file, 0, kDataLockFileBytes);
  if (file >= 0) ::close(file);
  if (failed != 0)
    return Refuse(failed == ENOSPC ? Code::kResourceExhausted : Code::kFailedPrecondition,
                  std::string(kDataLockFile) + " cannot be made: " + SystemError(failed) +
                      "; make room or choose another folder");
  return {};
}

Result<void> DiskDirectory::Opened() {
  // In one step, so that nobody can find himself alone in between.
  if (alone_ && !Lock(kLife, F_RDLCK))
    return Refuse(Code::kUnavailable, std::string(kLockFile) + " cannot be locked: " + SystemError(errno));
  Lock(kGate, F_UNLCK);
  return {};
}

void DiskDirectory::Closing(Duration within) {
  const TimePoint until = Clock::Real().Now() + within;
  while (!Lock(kGate, F_WRLCK) && Clock::Real().Now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

bool DiskDirectory::TryTakeTurn() { return Lock(kTurn, F_WRLCK); }

void DiskDirectory::GiveTurn() { Lock(kTurn, F_UNLCK); }

bool DiskDirectory::Lock(int what, short kind) {
  struct flock lock {};
  lock.l_type = kind;
  lock.l_whence = SEEK_SET;
  lock.l_start = what;
  lock.l_len = 1;
  int failed;
  do failed = ::fcntl(lock_, F_OFD_SETLK, &lock);
  while (failed != 0 && errno == EINTR);
  return failed == 0;
}

}  // namespace punctual
