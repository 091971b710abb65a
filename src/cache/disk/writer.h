// The one thread that writes to the disk layer: takes changes from a bounded queue, many at once into one transaction,
// keeps the size bound by dropping what expires soonest, drops what has expired or was written by a clock that was
// ahead, purges, and syncs.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cache/disk/directory.h"
#include "cache/disk/options.h"
#include "cache/disk/rest.h"
#include "cache/disk/transaction.h"

namespace punctual {

// Thread-safe.
class DiskWriter {
 public:
  // Called with how many were dropped and what kept it from dropping all (empty: nothing), on the write thread.
  using PurgeDone = std::function<void(std::uint64_t dropped, const std::string& error)>;

  // All outlive it. Starts the thread.
  DiskWriter(DiskEnvironment& environment, DiskDirectory& directory, DiskRest& rest, const DiskCacheOptions& options);
  // Writes what is queued and syncs, for 2 s at most; drops and counts the rest.
  ~DiskWriter();

  bool Put(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns, std::string record);
  void Remove(const Digest& key);
  bool Purge(const SubjectFilter& filter, PurgeDone done);
  void SetLongestTtl(Duration ttl) { longest_ttl_ns_.store(ttl.count(), std::memory_order_relaxed); }
  // What expires later than this was written by a clock that was ahead.
  std::int64_t LatestExpiry(std::int64_t now_unix_ns) const;
  void AddTo(DiskCacheStats& stats) const;

 private:
  struct Change {
    bool put = false;  // else: remove
    Digest key;
    Subject subject;
    std::int64_t expires_unix_ns = 0;
    std::string record;
  };
  struct PurgeTask {
    SubjectFilter filter;
    PurgeDone done;
    ExpiryKey from{};
    std::uint64_t dropped = 0;
  };
  class Turn;

  bool Queue(Change change);
  void Run();
  bool Take();
  void WriteAll();
  int DropOver(DiskTransaction& transaction, DiskDropped& expired);
  int WriteBatch(std::span<const Change> batch);
  std::size_t BatchLimit() const;
  void MakeRoom(int why, int attempt);
  void PurgeSome();
  void EndPurges(const std::string& why);
  void DoChores();
  void DropExpired();
  void Finish();
  int Begin(std::optional<DiskTransaction>& transaction);
  int CommitAndCount(DiskTransaction& transaction, const DiskDropped& expired, const DiskDropped& evicted);
  void Keep(const DiskUse& use);
  void KeepRoom();
  void Failed(int code, std::size_t changes);
  int MeaningOf(int code) const;
  void Note(int code);
  bool OutOfTime() const;

  DiskEnvironment& environment_;
  DiskDirectory& directory_;
  DiskRest& rest_;
  const DiskCacheOptions options_;
  const std::size_t max_record_bytes_;  // also about what one transaction writes

  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<Change> pending_ GUARDED_BY(mutex_);
  std::deque<PurgeTask> new_purges_ GUARDED_BY(mutex_);
  std::size_t queued_ GUARDED_BY(mutex_) = 0, queued_bytes_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::string last_error_ GUARDED_BY(mutex_);
  std::atomic<std::int64_t> stop_by_ns_ = 0;  // of the monotonic clock; 0: not stopping
  std::atomic<std::int64_t> longest_ttl_ns_ = Duration::max().count();

  // The write thread's own.
  std::vector<Change> taken_;
  std::deque<PurgeTask> purges_;
  TimePoint not_before_{};        // after a failed write
  TimePoint purge_not_before_{};  // after a failed purge
  TimePoint next_chores_{}, next_sync_{}, next_reader_check_{}, next_bound_{};
  TimePoint quiet_until_{};    // no failure is told before
  std::uint64_t bound_bytes_;  // the option's, or less while the disk is full
  bool unsynced_ = false;

  std::atomic<std::uint64_t> entries_ = 0, bytes_ = 0, writes_ = 0, dropped_ = 0, failed_ = 0, evictions_ = 0,
                             expirations_ = 0, purge_pauses_ = 0;
  std::thread thread_;
};

}  // namespace punctual
