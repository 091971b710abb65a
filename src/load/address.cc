#include "load/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <memory>

namespace punctual::load {

namespace {

Error BadAddress(std::string_view url, const std::string& what) {
  return Fail(Code::kInvalidArgument,
              "address \"" + std::string(url) + "\": " + what +
                  "; write http://HOST:PORT (http://127.0.0.1:8080) or unix:PATH (unix:/run/punctual.sock)");
}

Error ConnectFailed(const Address& address, int error) {
  std::string message = "cannot connect to " + address.text + ": " + std::strerror(error);
  if (error == ECONNREFUSED || error == ENOENT) message += "; is a server listening there?";
  return Fail(Code::kUnavailable, std::move(message));
}

Result<Address> ParseUnix(std::string_view url, std::string_view path) {
  Address address{.text = std::string(url), .host = "localhost"};
  sockaddr_un target{};
  if (path.empty() || path.size() >= sizeof target.sun_path)
    return BadAddress(url, "a socket's path has 1 to " + std::to_string(sizeof target.sun_path - 1) + " bytes");
  target.sun_family = AF_UNIX;
  std::memcpy(target.sun_path, path.data(), path.size());
  std::memcpy(&address.socket_address, &target, sizeof target);
  address.socket_address_size = sizeof target;
  return address;
}

}  // namespace

Result<Address> ParseAddress(std::string_view url) {
  constexpr std::string_view kUnix = "unix:", kHttp = "http://";
  if (url.starts_with(kUnix)) return ParseUnix(url, url.substr(kUnix.size()));
  if (!url.starts_with(kHttp)) return BadAddress(url, "not an address this program can connect to");
  std::string_view authority = url.substr(kHttp.size());
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find('/') != std::string_view::npos) return BadAddress(url, "it must not have a path");
  std::string_view host = authority, port = "80";
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);  // an IPv6 address
  if (host.empty() || port.empty()) return BadAddress(url, "the host or the port is missing");
  // getaddrinfo takes a number that is too large for another one.
  std::uint16_t number = 0;
  const auto [end, wrong] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (wrong != std::errc() || end != port.data() + port.size() || number == 0)
    return BadAddress(url, "the port must be a number from 1 to 65535");

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(std::string(host).c_str(), std::string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  if (error != 0)
    return Fail(Code::kNotFound,
                "address \"" + std::string(url) + "\": " + ::gai_strerror(error) + "; correct the host");
  Address address{.text = std::string(url), .host = std::string(authority)};
  std::memcpy(&address.socket_address, found->ai_addr, found->ai_addrlen);
  address.socket_address_size = found->ai_addrlen;
  return address;
}

Result<UniqueFd> StartConnect(const Address& address) {
  UniqueFd fd(::socket(address.socket_address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return ConnectFailed(address, errno);
  if (address.socket_address.ss_family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const int connected =
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.socket_address), address.socket_address_size);
  if (connected != 0 && errno != EINPROGRESS) return ConnectFailed(address, errno);
  return fd;
}

Result<void> ConnectError(const Address& address, const UniqueFd& fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return ConnectFailed(address, error);
  return {};
}

}  // namespace punctual::load
