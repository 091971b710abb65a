// One look-up in the disk layer: finds an entry and keeps it where it lies, in LMDB's map, as long as the object lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/digest.h"
#include "cache/disk/environment.h"
#include "cache/disk/layout.h"
#include "cache/disk/rest.h"

namespace punctual {

// On the calling thread; blocks for the disk where pages are not in memory, and tells `rest` how long all took, the
// caller's reading included. A bad sector under a map is a signal (SIGBUS): LMDB has no other way.
class DiskLookUp {
 public:
  // Finds what expires after `now_unix_ns`, by `latest_unix_ns` at the latest.
  DiskLookUp(DiskEnvironment& environment, DiskRest& rest, const Digest& key, std::int64_t now_unix_ns,
             std::int64_t latest_unix_ns);
  ~DiskLookUp();
  DiskLookUp(const DiskLookUp&) = delete;
  DiskLookUp& operator=(const DiskLookUp&) = delete;

  bool found() const { return found_; }
  // There is something under the key that nobody put there.
  bool damaged() const { return damaged_; }
  // REQUIRES: found().
  std::span<const std::byte> record() const { return entry_.record; }

 private:
  DiskRest& rest_;
  const TimePoint began_;
  const DiskRest::Turn turn_;
  // The row is not touched without a turn.
  std::optional<DiskEnvironment::Lease> lease_;
  EntryView entry_;
  bool found_ = false, damaged_ = false;
};

}  // namespace punctual
