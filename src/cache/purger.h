// Drops answers from all layers, in the background, and knows how far that is.
//
// From the bottom up: while a lower layer is being emptied its hits rise into those above it, and would stay there for
// their whole time to live. So memory goes at once, for those who ask now; again when the disk is done; and disk and
// memory again when Redis is. A thread of its own, since walking through a large memory takes long.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cache/disk/disk_cache.h"
#include "cache/memory_cache.h"
#include "cache/redis/redis_cache.h"
#include "punctual/cache.h"
#include "punctual/result.h"

namespace punctual {

struct PurgeOrder {
  std::vector<SubjectFilter> filters;  // what any of them matches goes
  std::string what;                    // the same for people: "model tcn, symbol BTCUSDT"
  bool in_redis = true;
  Duration longest_ttl{};  // by then every answer that is there now has expired: nobody is waited for longer
};

// Thread-safe, except Stop and the destructor.
class Purger {
 public:
  // Either may be null: no such layer. All outlive Stop().
  struct Layers {
    MemoryCache& memory;
    DiskCache* disk;
    RedisCache* redis;
  };
  // Once memory was emptied for the first time, on the purger's thread; or why nothing will be.
  using Emptied = PurgeCallback;
  static constexpr std::size_t kMaxRunning = 64;  // beyond: refused
  static constexpr std::size_t kMaxEnded = 64;    // that are remembered

  // `notice`: told of each purge that ended, on the purger's thread.
  Purger(const Layers& layers, std::function<void(const std::string&)> notice);
  ~Purger() { Stop(); }
  Purger(const Purger&) = delete;
  Purger& operator=(const Purger&) = delete;

  // kResourceExhausted: 64 purges run already; kUnavailable: stopped. `emptied` may be empty.
  void Purge(PurgeOrder order, Emptied emptied);
  // Ends the thread; what did not begin is refused, what runs is said to be unfinished. The layers may go afterwards.
  void Stop();

  // Those that run, and the last that ended, the oldest first.
  std::vector<PurgeStatus> Purges() const;

 private:
  struct Job {
    PurgeOrder order;
    Emptied emptied;
    PurgeStatus status;
    bool begun = false, ended = false;
    std::size_t disk_out = 0, redis_out = 0;          // purges of these layers that have not come back
    bool disk_is_due = false, memory_is_due = false;  // again
  };
  using JobPtr = std::shared_ptr<Job>;

  void Run();
  JobPtr NextJob() REQUIRES_LOCK(mutex_);
  void Work(const JobPtr& job);
  void PurgeMemory(const JobPtr& job);
  void PurgeDisk(const JobPtr& job);
  void PurgeRedis(const JobPtr& job);
  void OnDiskDone(Job& job, std::uint64_t dropped, const std::string& error);
  void OnRedisDone(Job& job, std::uint64_t dropped, const std::string& error);
  static std::string Summary(const Job& job);

  const Layers layers_;
  const std::function<void(const std::string&)> notice_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::list<JobPtr> jobs_ GUARDED_BY(mutex_);  // and all that is in them
  std::size_t running_ GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace punctual
