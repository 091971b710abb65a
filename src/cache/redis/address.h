// Where a Redis server listens. Value type.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace punctual::redis {

struct Address {
  std::string host;  // a name, or a numeric address without brackets
  std::uint16_t port = 0;
  auto operator<=>(const Address&) const = default;
};

// "host:port", "[v6]:port", and "v6:port" as redirections write it (the last colon counts). The host may be empty,
// which in a redirection means the server that sent it. Nothing: not an address.
std::optional<Address> ParseAddress(std::string_view text);
// "host:port" or "[v6]:port".
std::string AddressText(const Address& address);

}  // namespace punctual::redis
