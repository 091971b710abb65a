// 128-bit digests of bytes (XXH3-128). Not cryptographic: equal bytes, equal digest; who knows the secret can make
// collisions, so keys that outsiders can influence are digested with a secret (cache/key).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace punctual {

struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const Digest&) const = default;
};

Digest DigestOf(std::span<const std::byte> bytes);
inline Digest DigestOf(std::string_view text) { return DigestOf(std::as_bytes(std::span(text))); }
// 32 lower-case hex digits.
std::string HexText(const Digest& digest);

struct DigestHash {
  std::size_t operator()(const Digest& digest) const { return static_cast<std::size_t>(digest.low); }
};

}  // namespace punctual
