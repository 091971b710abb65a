// How the disk layer is set up, and what it says of itself. Values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "punctual/cache.h"

namespace punctual {

// What users configure, who is told, and what only tests want otherwise.
struct DiskCacheOptions : DiskLayerOptions {
  std::size_t queue_bytes = 32u << 20;            // of the records of changes that are waiting; beyond: dropped
  Duration sync_every = std::chrono::seconds(5);  // how often what was written is brought onto the disk
  // Called on the write thread with the first of a series of failed writes; may be empty.
  std::function<void(const std::string&)> on_notice;
};

// Counts since the layer was opened, by this process; entries and bytes are those of all.
struct DiskCacheStats {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;          // of the pages that entries are on
  std::uint64_t bound_bytes = 0;    // DiskCacheOptions::bytes
  std::uint64_t queued = 0;         // changes that are waiting
  std::uint64_t writes = 0;         // answers written
  std::uint64_t dropped = 0;        // answers not taken: the queue was full, a record too large, or the layer stopped
  std::uint64_t failed = 0;         // changes that could not be written (a full disk)
  std::uint64_t evictions = 0;      // dropped before they expired, for others
  std::uint64_t expirations = 0;    // dropped because they expired
  std::uint64_t purge_pauses = 0;   // times that a purge could not go on at once
  std::uint64_t damaged = 0;        // look-ups that found what nobody had put there
  std::uint64_t slow_look_ups = 0;  // took longer than slow_look_up
  bool resting = false;             // look-ups are skipped for a while, or for good
  std::string why_resting;          // empty: it does not rest
  std::string last_error;           // of `failed`; empty: none yet
  std::string moved_aside;          // the damaged file that was found at the start; empty: none
};

}  // namespace punctual
