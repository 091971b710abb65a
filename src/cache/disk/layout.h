// How answers lie in LMDB. Two tables, changed together:
//   entries (the environment's main table, so that a look-up searches one tree only):
//     key    the digest, 16 bytes
//     value  check (8 bytes), expiry in Unix nanoseconds (8), subject (24), the record
//   expiry (a named table, whose own entry lies among the entries: its name is no 16 bytes long):
//     key    expiry, big-endian so that the soonest comes first (8), the digest (16)
//     value  subject (24), so that a purge reads this table alone
// Numbers are little-endian where nothing else is said. The check covers the key and all of the value: after a power
// loss a page may still hold what it held before, a whole and sound record of another key.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/digest.h"
#include "cache/record/subject.h"

namespace punctual {

static_assert(std::endian::native == std::endian::little, "LMDB's files are in the machine's byte order");

inline constexpr char kExpiryTable[] = "expiry";
inline constexpr std::size_t kEntryKeyBytes = 16;
inline constexpr std::size_t kEntryHeadBytes = 8 + 8 + 24;
inline constexpr std::size_t kExpiryKeyBytes = 8 + kEntryKeyBytes;
inline constexpr std::size_t kSubjectBytes = 24;

using EntryKey = std::array<std::byte, kEntryKeyBytes>;
using ExpiryKey = std::array<std::byte, kExpiryKeyBytes>;

EntryKey EntryKeyOf(const Digest& digest);
ExpiryKey ExpiryKeyOf(std::int64_t expires_unix_ns, const Digest& digest);
// REQUIRES: 24 bytes.
std::int64_t ExpiryOf(std::span<const std::byte> expiry_key);
Digest DigestOfExpiryKey(std::span<const std::byte> expiry_key);

// REQUIRES: 24 bytes.
inline Subject SubjectAt(const std::byte* bytes) {
  Subject subject;
  std::memcpy(&subject.model, bytes, 8);
  std::memcpy(&subject.version, bytes + 8, 8);
  std::memcpy(&subject.symbol, bytes + 16, 8);
  return subject;
}
inline void StoreSubject(const Subject& subject, std::byte* bytes) {
  std::memcpy(bytes, &subject.model, 8);
  std::memcpy(bytes + 8, &subject.version, 8);
  std::memcpy(bytes + 16, &subject.symbol, 8);
}

// An entry's value, where it lies.
struct EntryView {
  std::int64_t expires_unix_ns = 0;
  Subject subject;
  std::span<const std::byte> record;  // not aligned
};
// False: too short, or it is not what was written under this key.
bool ReadEntry(const Digest& key, std::span<const std::byte> value, EntryView& entry);
// The expiry alone, unchecked. REQUIRES: kEntryHeadBytes.
std::int64_t ExpiryOfEntry(std::span<const std::byte> value);
// REQUIRES: `value` has kEntryHeadBytes + record.size() bytes.
void WriteEntry(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns,
                std::span<const std::byte> record, std::span<std::byte> value);

}  // namespace punctual
