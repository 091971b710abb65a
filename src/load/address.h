// Where a server listens, as the command line writes it, and connecting to it.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "load/unique_fd.h"
#include "punctual/result.h"

namespace punctual::load {

// Immutable; thread-safe.
struct Address {
  std::string text;  // as it was given
  std::string host;  // for the Host header
  sockaddr_storage socket_address{};
  socklen_t socket_address_size = 0;
};

// "http://HOST:PORT" (port 80 if none is given; a trailing "/" is allowed, a path is not) or "unix:PATH"
// ("unix:/run/punctual.sock"). Looks the host up, so it may block. kInvalidArgument: neither of these; kNotFound: no
// such host.
Result<Address> ParseAddress(std::string_view url);

// Begins to connect a non-blocking socket, with TCP_NODELAY where it has that. Writable means: decided, ConnectError()
// says how. kUnavailable names the address and the reason.
Result<UniqueFd> StartConnect(const Address& address);
// The outcome of a connect that has been decided.
Result<void> ConnectError(const Address& address, const UniqueFd& fd);

}  // namespace punctual::load
