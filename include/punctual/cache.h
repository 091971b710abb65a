// The layers of the cache: how they are set up, and what they say of themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

// The second layer: answers on disk (LMDB), shared by all processes of a machine that name the same directory.
struct DiskLayerOptions {
  std::string directory;                                 // required; of this machine; made if it is not there
  std::size_t bytes = std::size_t{256} << 20;            // of the file: 4 MiB to 1 TiB; the answers keep below 80 %
  std::size_t queue = 4096;                              // writes that wait; beyond: dropped
  Duration slow_look_up = std::chrono::milliseconds(1);  // waiting for pages for longer lets the layer rest; 0: at once
  Duration warm_up = std::chrono::milliseconds(500);     // of the start, for filling the memory from here; 0: not
};

// The third layer: a Redis Cluster, or a single Redis.
struct RedisLayerOptions {
  // "HOST:PORT" or "[V6]:PORT": where to begin. A cluster names its other nodes itself. Several that are no cluster are
  // spares: the first that works is used.
  std::vector<std::string> nodes;
  std::string username;  // AUTH; empty with a password: the default user
  std::string password;  // empty: no AUTH
  bool tls = false;
  std::string ca_file;              // PEM; empty: the system's
  std::string cert_file, key_file;  // PEM, our own; both or none
  bool read_from_replicas = false;
  Duration timeout = std::chrono::milliseconds(3);            // of a look-up
  Duration connect_timeout = std::chrono::milliseconds(500);  // of a connection, its handshakes included
  std::size_t max_outstanding = 1024;  // look-ups under way, and as many writes; beyond: left out
  std::string prefix = "punctual";     // first part of every key: 1 to 32 printable bytes
};

struct CacheLookUps {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t timeouts = 0, errors = 0;  // of Redis
  std::uint64_t skipped = 0;               // Redis was not asked: computing was expected to be quicker, or it is away
};

struct MemoryLayerStats {
  CacheLookUps look_ups;
  std::uint64_t entries = 0, bytes = 0, limit_bytes = 0;
  std::uint64_t evictions = 0, expirations = 0;
  std::uint64_t refused = 0;  // answers that were too large, or that had no room
  std::uint64_t warmed = 0;   // answers that the start found on disk
};

struct DiskLayerStats {
  CacheLookUps look_ups;
  std::uint64_t entries = 0, bytes = 0, limit_bytes = 0;
  std::uint64_t queued = 0, writes = 0;
  std::uint64_t dropped = 0;  // writes that found the queue full
  std::uint64_t failed = 0;   // writes that the disk or the database refused
  std::uint64_t evictions = 0, expirations = 0, slow_look_ups = 0;
  bool resting = false;                         // not asked just now
  std::map<std::string, std::uint64_t> faults;  // records that were no answers, by what was wrong
  std::string last_error;
};

struct RedisNodeStatus {
  std::string address, role, state;  // "master" "replica"; "connecting" "up" "open" "half-open"
  std::uint64_t outstanding = 0;
  Duration look_up_time{};  // smoothed
  std::string last_error;   // the newest; empty: none
  Duration last_error_age{};
};

struct RedisLayerStats {
  CacheLookUps look_ups;
  std::uint64_t outstanding = 0, writes = 0;
  std::uint64_t dropped = 0;   // writes that were not sent: too many under way, too large, or nobody there
  std::uint64_t failed = 0;    // writes that were refused or never confirmed
  std::uint64_t connects = 0;  // times that a node came up
  std::uint64_t connects_failed = 0;
  std::map<std::string, std::uint64_t> faults;
  std::vector<RedisNodeStatus> nodes;
};

enum class PurgeState : std::uint8_t { kRunning, kDone, kFailed };

struct PurgeLayerStatus {
  PurgeState state = PurgeState::kRunning;
  std::uint64_t dropped = 0;  // answers
  std::string error;          // why not all were dropped
  std::string waits_for;      // nodes of Redis that are away, and why
};

struct PurgeStatus {
  std::uint64_t id = 0;  // counts from 1 in each process
  std::string what;      // "model tcn, symbol BTCUSDT"
  bool running = true;
  PurgeLayerStatus memory;
  std::optional<PurgeLayerStatus> disk, redis;  // none: there is no such layer, or it is left alone
};

// How far a purge is, or why there is none. Called once. Must not block.
using PurgeCallback = std::function<void(const Result<PurgeStatus>&)>;

struct CacheStats {
  MemoryLayerStats memory;
  std::optional<DiskLayerStats> disk;    // none: there is no such layer
  std::optional<RedisLayerStats> redis;  // none: there is no such layer
  std::uint64_t purges_running = 0;      // in the background
  std::vector<PurgeStatus> purges;       // those, and the last 64 that ended; the oldest first
};

// Which answers to drop: those of a model (all its versions), of a symbol, or of both. Both empty: all.
struct PurgeRequest {
  std::string model;
  std::string symbol;
};

}  // namespace punctual
