// What the tests of the disk layer share: a folder that goes, keys, and records that say themselves whether they are
// whole.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "cache/disk/disk_cache.h"

namespace punctual::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    path_ = (std::filesystem::temp_directory_path() / "punctual-disk-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline constexpr std::int64_t kSecond = 1'000'000'000;

inline Digest KeyOf(std::uint64_t number) { return DigestOf(std::as_bytes(std::span(&number, 1))); }

// Begins with the number, and all that follows comes from it.
inline std::string RecordOf(std::uint64_t number, std::size_t bytes) {
  std::string record(std::max<std::size_t>(bytes, 8), '\0');
  std::uint64_t state = number;
  for (char& byte : record)
    byte = static_cast<char>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  std::memcpy(record.data(), &number, 8);
  return record;
}
inline bool IsRecordOf(std::uint64_t number, std::span<const std::byte> record) {
  return record.size() >= 8 &&
         RecordOf(number, record.size()) == std::string(reinterpret_cast<const char*>(record.data()), record.size());
}

inline std::optional<std::string> Find(const DiskCache& cache, const Digest& key,
                                       std::int64_t now_unix_ns = UnixTimeNs()) {
  std::optional<std::string> found;
  cache.Get(key, now_unix_ns, [&](std::span<const std::byte> record) {
    found.emplace(reinterpret_cast<const char*>(record.data()), record.size());
  });
  return found;
}

// For look-ups that a busy machine must not make slow.
inline DiskCacheOptions OptionsFor(const std::string& directory, std::size_t bytes = 8u << 20) {
  DiskCacheOptions options;
  options.directory = directory;
  options.bytes = bytes;
  options.slow_look_up = std::chrono::seconds(100);
  return options;
}

inline std::unique_ptr<DiskCache> OpenCache(const DiskCacheOptions& options) {
  auto cache = DiskCache::Open(options);
  if (cache.has_error()) {
    ADD_FAILURE() << cache.error().message;
    std::abort();
  }
  return std::move(cache).value();
}

// False: not within 20 s.
inline bool Eventually(const std::function<bool()>& holds) {
  const TimePoint until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}
inline bool Drained(const DiskCache& cache) {
  return Eventually([&] { return cache.Stats().queued == 0; });
}
// Puts, waiting while the queue is full.
inline void PutSurely(DiskCache& cache, std::uint64_t number, const Subject& subject, std::int64_t expires_unix_ns,
                      std::size_t bytes) {
  ASSERT_TRUE(Eventually([&] { return cache.Put(KeyOf(number), subject, expires_unix_ns, RecordOf(number, bytes)); }));
}

}  // namespace punctual::test
