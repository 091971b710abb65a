#include "cache/secret.h"

#include <fcntl.h>
#include <sys/random.h>
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

Result<std::string> Read(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return Cannot(path, std::strerror(errno));
  std::string secret(kSize + 1, '\0');
  const ssize_t got = ::read(file, secret.data(), secret.size());
  ::close(file);
  if (got != static_cast<ssize_t>(kSize))
    return Cannot(path, "is not a secret of 32 bytes; remove it together with the cache beside it");
  secret.resize(kSize);
  return secret;
}

}  // namespace

Result<std::string> SecretIn(const std::string& directory) {
  const std::string path = directory + "/secret";
  if (::access(path.c_str(), F_OK) == 0) return Read(path);
  std::string secret(kSize, '\0');
  if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(kSize))
    return Cannot(path, "no random numbers to make it of");
  // Written whole under a name of our own, then linked: of two that do this at once one wins, and both read it.
  const std::string own = path + "." + std::to_string(::getpid());
  ::unlink(own.c_str());
  const int file = ::open(own.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return Cannot(own, std::strerror(errno));
  const bool written = ::write(file, secret.data(), secret.size()) == static_cast<ssize_t>(kSize);
  const int error = errno;
  ::close(file);
  if (written && ::link(own.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    ::unlink(own.c_str());
    return Cannot(path, std::strerror(errno));
  }
  ::unlink(own.c_str());
  if (!written) return Cannot(own, std::strerror(error));
  return Read(path);
}

}  // namespace punctual
