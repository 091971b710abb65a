// What we write to Redis: keys, their slots, commands. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "cache/record/subject.h"

namespace punctual::redis {

inline constexpr std::size_t kMaxPrefix = 32;

// A key's text, without an allocation.
struct KeyText {
  std::array<char, 128> bytes;
  std::uint8_t size = 0;
  std::string_view view() const { return {bytes.data(), size}; }
};

// "PREFIX:MODEL:VERSION:SYMBOL:DIGEST", the parts of the subject in 16, the digest in 32 lower-case hex digits.
// REQUIRES: prefix.size() <= kMaxPrefix.
KeyText MakeKey(std::string_view prefix, const Digest& digest, const Subject& subject);
// The pattern of SCAN MATCH for the keys of a filter.
std::string MatchPattern(std::string_view prefix, const SubjectFilter& filter);

inline constexpr std::uint16_t kSlotCount = 16384;
// The slot of a key: CRC-16/XMODEM of it, or of what stands between its first braces, modulo 16384 (Redis Cluster
// specification, "Key distribution model" and "Hash tags").
std::uint16_t KeySlot(std::string_view key);

// Appends a command as the protocol writes it (RESP: an array of bulk strings).
void AppendCommand(std::string& out, std::initializer_list<std::string_view> arguments);

}  // namespace punctual::redis
