#include "cache/secret.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace punctual {

namespace {

constexpr std::size_t kSize = 32;

Error Cannot(const std::string& path, const std::string& what) {
  return {Code::kFailedPrecondition, path + ": " + what};
}

Result<std::string> MakeUp(const std::string& path) {
  std::string secret(kSize, '\0');
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(kSize))
    return Cannot(path, "no random numbers to make it of");
  return secret;
}

// All of it is on the disk afterwards: a file that a power cut leaves empty would be no secret. 0, or errno.
int Store(int file, const std::string& secret) {
  const ssize_t written = ::pwrite(file, secret.data(), secret.size(), 0);
  if (written != static_cast<ssize_t>(kSize)) return written < 0 ? errno : ENOSPC;
  return ::fsync(file) == 0 ? 0 : errno;
}

// The file lost its bytes. Of processes that find that at once one fills it, under a lock, and all read the same.
Result<void> Refill(const std::string& path) {
  PUNCTUAL_ASSIGN(const std::string secret, MakeUp(path));
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return Cannot(path, std::strerror(errno));
  struct stat found {};
  int error = ::flock(file, LOCK_EX) == 0 && ::fstat(file, &found) == 0 ? 0 : errno;
  if (error == 0 && found.st_size == 0) error = Store(file, secret);
  ::close(file);
  if (error != 0) return Cannot(path, std::strerror(error));
  return {};
}

Result<std::string> Read(const std::string& path, bool refilled = false) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return Cannot(path, std::strerror(errno));
  std::string secret(kSize + 1, '\0');
  const ssize_t got = ::read(file, secret.data(), secret.size());
  ::close(file);
  if (got == 0 && !refilled) {
    PUNCTUAL_TRY(Refill(path));
    return Read(path, true);
  }
  if (got != static_cast<ssize_t>(kSize))
    return Cannot(path, "is not a secret of 32 bytes; remove it together with the cache beside it");
  secret.resize(kSize);
  return secret;
}

}  // namespace

Result<std::string> SecretIn(const std::string& directory) {
  const std::string path = directory + "/secret";
  if (::access(path.c_str(), F_OK) == 0) return Read(path);
  PUNCTUAL_ASSIGN(const std::string secret, MakeUp(path));
  // Written whole under a name of our own, then linked: of two that do this at once one wins, and both read it.
  const std::string own = path + "." + std::to_string(::getpid());
  ::unlink(own.c_str());
  const int file = ::open(own.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return Cannot(own, std::strerror(errno));
  int error = Store(file, secret);
  ::close(file);
  if (error == 0 && ::link(own.c_str(), path.c_str()) != 0 && errno != EEXIST) error = errno;
  ::unlink(own.c_str());
  if (error != 0) return Cannot(path, std::strerror(error));
  return Read(path);
}

}  // namespace punctual
