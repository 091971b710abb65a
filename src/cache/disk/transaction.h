// What is done to both tables within one write transaction, so that they never disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cache/disk/environment.h"
#include "cache/disk/layout.h"

namespace punctual {

struct DiskUse {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;  // of the pages of both tables
};

// What was dropped, by pieces and about how many bytes they took.
struct DiskDropped {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};

// Every function returns LMDB's code, 0 for success; after another the transaction is only good for being aborted,
// which the destructor does. One thread. REQUIRES: the turn (cache/disk/directory.h).
class DiskTransaction {
 public:
  explicit DiskTransaction(DiskEnvironment& environment);
  ~DiskTransaction();
  DiskTransaction(const DiskTransaction&) = delete;
  DiskTransaction& operator=(const DiskTransaction&) = delete;
  int begun() const { return begun_; }

  int Put(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns, std::span<const std::byte> record);
  int Remove(const Digest& key);
  // Drops the soonest to expire: those that expire by `expires_by`, `at_most` of them, until `enough_bytes` are free.
  int DropSoonest(std::size_t at_most, std::uint64_t enough_bytes, std::int64_t expires_by, DiskDropped& dropped);
  // Drops those that expire after `expires_after`, the last first, `at_most` of them.
  int DropBeyond(std::size_t at_most, std::int64_t expires_after, DiskDropped& dropped);
  // Looks at `at_most` entries, from `from` on, and drops those that the filter matches. `from` becomes where to go on;
  // `finished`: there are no more.
  int Purge(const SubjectFilter& filter, std::size_t at_most, ExpiryKey& from, bool& finished, DiskDropped& dropped);
  int Use(DiskUse& use) { return UseOf(environment_, txn_, use); }
  int Commit();

  // As any transaction sees it.
  static int UseOf(const DiskEnvironment& environment, MDB_txn* txn, DiskUse& use);
  // What an entry takes in both tables.
  static std::uint64_t Cost(std::size_t record_bytes);

 private:
  int DropEntry(const ExpiryKey& at, DiskDropped& dropped);

  DiskEnvironment& environment_;
  MDB_txn* txn_ = nullptr;
  int begun_ = 0;
};

}  // namespace punctual
