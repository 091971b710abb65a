#include "cache/disk/layout.h"

#include <xxhash.h>

namespace punctual {

namespace {

std::uint64_t Swapped(std::uint64_t number) { return __builtin_bswap64(number); }

// Accidents are what it is to find, so that the key may come in by a plain xor.
std::uint64_t CheckOf(const Digest& key, std::span<const std::byte> after_check) {
  return XXH3_64bits(after_check.data(), after_check.size()) ^ key.low ^ std::rotl(key.high, 32);
}

}  // namespace

EntryKey EntryKeyOf(const Digest& digest) {
  EntryKey key;
  std::memcpy(key.data(), &digest.high, 8);
  std::memcpy(key.data() + 8, &digest.low, 8);
  return key;
}

ExpiryKey ExpiryKeyOf(std::int64_t expires_unix_ns, const Digest& digest) {
  ExpiryKey key;
  const std::uint64_t big = Swapped(static_cast<std::uint64_t>(expires_unix_ns < 0 ? 0 : expires_unix_ns));
  const EntryKey entry = EntryKeyOf(digest);
  std::memcpy(key.data(), &big, 8);
  std::memcpy(key.data() + 8, entry.data(), entry.size());
  return key;
}

std::int64_t ExpiryOf(std::span<const std::byte> expiry_key) {
  std::uint64_t big;
  std::memcpy(&big, expiry_key.data(), 8);
  return static_cast<std::int64_t>(Swapped(big));
}

Digest DigestOfExpiryKey(std::span<const std::byte> expiry_key) {
  Digest digest;
  std::memcpy(&digest.high, expiry_key.data() + 8, 8);
  std::memcpy(&digest.low, expiry_key.data() + 16, 8);
  return digest;
}

std::int64_t ExpiryOfEntry(std::span<const std::byte> value) {
  std::int64_t expires;
  std::memcpy(&expires, value.data() + 8, 8);
  return expires;
}

bool ReadEntry(const Digest& key, std::span<const std::byte> value, EntryView& entry) {
  if (value.size() < kEntryHeadBytes) return false;
  std::uint64_t check;
  std::memcpy(&check, value.data(), 8);
  if (check != CheckOf(key, value.subspan(8))) return false;
  entry = {ExpiryOfEntry(value), SubjectAt(value.data() + 16), value.subspan(kEntryHeadBytes)};
  return true;
}

void WriteEntry(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns,
                std::span<const std::byte> record, std::span<std::byte> value) {
  std::memcpy(value.data() + 8, &expires_unix_ns, 8);
  StoreSubject(subject, value.data() + 16);
  if (!record.empty()) std::memcpy(value.data() + kEntryHeadBytes, record.data(), record.size());
  const std::uint64_t check = CheckOf(key, value.subspan(8));
  std::memcpy(value.data(), &check, 8);
}

}  // namespace punctual
