// The third layer: bytes under keys in a Redis, or a Redis Cluster, that several Punctual processes share. It never
// costs the deadline and never takes the process with it: every look-up has its time bound, a node that does not keep
// it is left alone for a while (a breaker per node), and everything here is bounded.
//
// Built on libvalkey's asynchronous context, one per node, with a slot map of our own. libvalkey's cluster client is
// one level too high for this: it resolves names and connects on the thread that asks, retries without looking at the
// time, reads from masters alone, and has neither a place for a breaker per node nor a lock finer than itself.
//
// What comes out of Redis is outside input: bytes as somebody wrote them. The caller validates.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "cache/record/subject.h"
#include "cache/redis/redis_options.h"

namespace punctual {

namespace redis {
class Client;
}

// How a look-up ended.
enum class RedisLookUp : std::uint8_t {
  kHit,
  kMiss,
  kTimeout,  // not answered in time; what comes later is ignored
  kError,    // an error reply, or the connection was lost meanwhile
  kSkipped,  // not sent: no node to ask, its breaker open, the bound of look-ups reached, or no time left
};

struct RedisNodeStats {
  std::string address;
  std::string role;   // "master", "replica", "single"; "seed": configured, and holding no slot
  std::string state;  // "connecting", "up", "open" (its breaker: left alone for now), "half-open" (being tried)
  std::uint64_t outstanding = 0;  // look-ups that wait for it
  Duration look_up_time{};        // smoothed; 0: not known
  std::string last_error;         // the newest, which may be long over: see its age; empty: none
  Duration last_error_age{};
};

struct RedisStats {
  bool cluster = false;
  std::uint64_t look_ups = 0;                                       // all; of these:
  std::uint64_t hits = 0, misses = 0, timeouts = 0, errors = 0;     // sent
  std::uint64_t skipped = 0, over_bound = 0;                        // not sent: no node or no time; too many under way
  std::uint64_t late = 0;                                           // replies after their look-up's time was up
  std::uint64_t redirected = 0;                                     // look-ups and writes sent again after MOVED or ASK
  std::uint64_t writes = 0;                                         // records, without removals; of these:
  std::uint64_t written = 0, writes_dropped = 0, write_errors = 0;  // acknowledged; not sent; failed after sending
  std::uint64_t connects = 0;                                       // times that a node came up
  std::uint64_t connects_failed = 0;                                // attempts to connect that came to nothing
  std::string purge_waits_for;  // nodes that the oldest purge cannot do, and why; empty: none
  std::uint64_t look_ups_outstanding = 0, writes_outstanding = 0;
  std::vector<RedisNodeStats> nodes;
};

// Thread-safe, except the destructor.
class RedisCache {
 public:
  // `bytes` are good during the call, and empty unless it is a hit.
  using GetCallback = std::function<void(RedisLookUp, std::string_view bytes)>;
  using PurgeCallback = std::function<void(std::uint64_t dropped, const std::string& error)>;

  // What expected() says while nothing can be asked.
  static constexpr Duration kNever = std::chrono::hours(1);

  // Starts a thread ("redis"), which connects in the background: a Redis that is away is no error. kInvalidArgument: an
  // option cannot work, or a TLS file cannot be read; the message names the field.
  static Result<std::unique_ptr<RedisCache>> Open(const RedisOptions& options);
  // Calls all outstanding callbacks (look-ups as misses), then ends the thread. Waits for nothing.
  ~RedisCache();
  // The destructor's work, while others may still call: afterwards look-ups are skipped and writes dropped. By one
  // thread.
  void Stop();
  RedisCache(const RedisCache&) = delete;
  RedisCache& operator=(const RedisCache&) = delete;

  // Looks `key` up. The callback is called exactly once: on the redis thread, at the latest at min(now + timeout,
  // `give_up_at`) plus the thread's own lateness; or before this returns, where the look-up is known to be useless
  // (kSkipped) or its connection just broke. It must not block, and may call Get, Put and Remove.
  void Get(const Digest& key, const Subject& subject, TimePoint give_up_at, GetCallback callback);
  // Keeps `record` for `ttl` (rounded up to a millisecond), unless it is larger than 1 MiB. Nobody learns whether it
  // worked, but Stats().
  void Put(const Digest& key, const Subject& subject, Duration ttl, std::string record);
  // Drops one record, for instance an invalid one. As Put.
  void Remove(const Digest& key, const Subject& subject);
  // Drops all records of the filter, in the background, a few at a time on one node after the other. Nodes that are
  // away are waited for, until `longest_ttl` is over: then what they had has expired. `done` is called once, on the
  // redis thread (or at once, if there is none any more); `error` says which nodes refused, or what else was left
  // undone.
  void Purge(const SubjectFilter& filter, Duration longest_ttl, PurgeCallback done);

  // What a look-up takes lately: smoothed mean plus two deviations of what was answered in time; kNever while nothing
  // can be asked. Lock-free.
  Duration expected() const;
  // Whether there is any node worth asking. Lock-free.
  bool available() const;
  RedisStats Stats() const;

 private:
  explicit RedisCache(std::unique_ptr<redis::Client> client);
  const std::unique_ptr<redis::Client> client_;
};

}  // namespace punctual
