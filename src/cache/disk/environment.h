// The LMDB environment of the disk layer, and the row of read transactions that look-ups take turns on.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "punctual/result.h"

struct MDB_env;
struct MDB_txn;

namespace punctual {

// Thread-safe, except Remap and the destructor.
class DiskEnvironment {
 public:
  // MDB_NOSYNC and no MDB_WRITEMAP: a cache need not survive a power loss, the page cache survives the process, and a
  // full disk is an error of a write and not a signal. `map_bytes`: where the file holds more, the map is larger.
  // `damaged`: says whether LMDB found the file to be so.
  // kFailedPrecondition, kResourceExhausted: "cache.disk.directory: ...".
  static Result<std::unique_ptr<DiskEnvironment>> Open(const std::string& path, std::size_t map_bytes, bool& damaged);
  // REQUIRES: no lease and no transaction.
  ~DiskEnvironment();
  DiskEnvironment(const DiskEnvironment&) = delete;
  DiskEnvironment& operator=(const DiskEnvironment&) = delete;

  MDB_env* env() const { return env_; }
  // LMDB's handles of the tables, see cache/disk/layout.h.
  unsigned int entries() const { return entries_; }
  unsigned int expiry() const { return expiry_; }

 private:
  struct alignas(64) Slot {
    std::atomic<bool> busy = false;
    MDB_txn* txn = nullptr;
  };

 public:
  // A read transaction of the newest snapshot, from the row: takes a free slot, preferring the one this thread took
  // last time; lock-free, allocates nothing. Keep it briefly: pages that it sees are not used again meanwhile.
  class Lease {
   public:
    explicit Lease(DiskEnvironment& environment);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    // Null: no slot is free, or code() says what LMDB said.
    MDB_txn* txn() const { return txn_; }
    int code() const { return code_; }
    // Goes over to the newest snapshot; false: code().
    bool Renew();

   private:
    bool Begin();
    DiskEnvironment& environment_;
    Slot* slot_ = nullptr;
    MDB_txn* txn_ = nullptr;
    int code_ = 0;
  };

  // Another process made the file larger than our map, so that transactions are refused (MDB_MAP_RESIZED).
  bool outgrown() const { return outgrown_.load(std::memory_order_relaxed); }
  // Makes the map as large as theirs, waiting until no lease is out. REQUIRES: no write transaction, the thread that
  // writes.
  int Remap();

  // Makes the file system keep some room behind the pages in use, so that dropping entries, which takes fresh pages
  // too, goes on when the disk is full. 0, ENOSPC, EDQUOT; 0 also where the file system cannot. REQUIRES: no write
  // transaction, the thread that writes.
  int KeepRoom();
  // Bytes of the file up to the last page in use.
  std::uint64_t used_bytes() const;

  // Is it an error after which the environment must not be used?
  static bool IsFatal(int code);

 private:
  DiskEnvironment() = default;
  int OpenTables();

  MDB_env* env_ = nullptr;
  unsigned int entries_ = 0, expiry_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<bool> outgrown_ = false;
};

}  // namespace punctual
