#include "server/http/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "server/http/receive.h"

namespace punctual::http {

namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsAtOnce = 64;
constexpr auto kPause = std::chrono::milliseconds(100);

Error Errno(const std::string& what, int number) {
  return Fail(Code::kUnavailable, what + ": " + std::strerror(number));
}

const sockaddr* AsSockaddr(const void* address) { return static_cast<const sockaddr*>(address); }

class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

struct HostAndPort {
  std::string host, port;
};

Result<HostAndPort> Split(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (host.empty() || !digits || std::stoi(port) > 65535)
    return Fail(Code::kInvalidArgument,
                "listen: \"" + address + "\" must be ADDRESS:PORT, for instance 127.0.0.1:8080");
  return HostAndPort{std::move(host), std::move(port)};
}

Result<int> Bound(const sockaddr* address, socklen_t size, const std::string& name) {
  OwnedFd fd(::socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Errno(name, errno);
  const int on = 1;
  if (address->sa_family != AF_UNIX) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    NoteArrivals(fd.get());
  }
  if (::bind(fd.get(), address, size) != 0) return Errno(name + ": cannot listen there", errno);
  if (::listen(fd.get(), kBacklog) != 0) return Errno(name, errno);
  return fd.Release();
}

// Whether somebody answers there.
bool IsAlive(const sockaddr_un& address) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.get() >= 0 && ::connect(fd.get(), AsSockaddr(&address), sizeof address) == 0;
}

}  // namespace

Listener::Listener(net::io_context& context, int fd, int family)
    : socket_(context, fd), pause_(context), family_(family) {}

Listener::~Listener() { Close(); }

Result<std::unique_ptr<Listener>> Listener::OpenTcp(net::io_context& context, const std::string& address) {
  PUNCTUAL_ASSIGN(const HostAndPort parts, Split(address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found); error != 0)
    return Fail(Code::kInvalidArgument, "listen: \"" + address + "\": " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  PUNCTUAL_ASSIGN(const int fd, Bound(found->ai_addr, found->ai_addrlen, "listen: " + address));
  std::unique_ptr<Listener> listener(new Listener(context, fd, found->ai_family));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&bound)), &size);
  const void* const at = &bound;
  listener->port_ = ntohs(bound.ss_family == AF_INET6 ? static_cast<const sockaddr_in6*>(at)->sin6_port
                                                      : static_cast<const sockaddr_in*>(at)->sin_port);
  listener->name_ = "http://" + address.substr(0, address.rfind(':') + 1) + std::to_string(listener->port_);
  return listener;
}

Result<std::unique_ptr<Listener>> Listener::OpenUnix(net::io_context& context, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Fail(Code::kInvalidArgument, "unix_socket: " + path + ": is too long; a socket's path has at most " +
                                            std::to_string(sizeof address.sun_path - 1) + " bytes");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode))
      return Fail(Code::kAlreadyExists,
                  "unix_socket: " + path + ": is there and is no socket; remove it or choose another path");
    if (IsAlive(address)) return Fail(Code::kAlreadyExists, "unix_socket: " + path + ": another process listens there");
    ::unlink(path.c_str());
  }
  PUNCTUAL_ASSIGN(const int fd, Bound(AsSockaddr(&address), sizeof address, "unix_socket: " + path));
  std::unique_ptr<Listener> listener(new Listener(context, fd, AF_UNIX));
  listener->path_ = path;
  listener->name_ = "unix:" + path;
  return listener;
}

void Listener::Start(OnAccept on_accept) {
  on_accept_ = std::move(on_accept);
  Wait();
}

void Listener::Close() {
  if (!socket_.is_open()) return;
  boost::system::error_code ignored;
  socket_.close(ignored);
  pause_.cancel();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void Listener::Wait() {
  socket_.async_wait(net::posix::descriptor_base::wait_read, [this](const boost::system::error_code& error) {
    if (!error) AcceptSome();
  });
}

void Listener::AcceptSome() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    const int fd = ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      return PauseFor(errno);
    }
    const int on = 1;
    if (family_ != AF_UNIX) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    on_accept_(fd, family_);
  }
  Wait();
}

// Out of file descriptors or memory: the connection stays in the queue, and trying again at once would only spin.
void Listener::PauseFor(int error) {
  spdlog::warn("{}: cannot accept: {}", name_, std::strerror(error));
  pause_.expires_after(kPause);
  pause_.async_wait([this](const boost::system::error_code& canceled) {
    if (!canceled) Wait();
  });
}

}  // namespace punctual::http
