#include "cache/disk/look_up.h"

#include <lmdb.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace punctual {

namespace {

// Whether this thread had to wait for pages from a disk since it was last asked here. A look-up waits for nothing else.
bool WaitedForPages() {
  thread_local long seen = 0;
  rusage usage{};
  if (::getrusage(RUSAGE_THREAD, &usage) != 0) return true;
  return std::exchange(seen, usage.ru_majflt) != usage.ru_majflt;
}

}  // namespace

DiskLookUp::DiskLookUp(DiskEnvironment& environment, DiskRest& rest, const Digest& key, std::int64_t now_unix_ns,
                       std::int64_t latest_unix_ns)
    : rest_(rest), began_(std::chrono::steady_clock::now()), turn_(rest.MayLook(began_)) {
  if (turn_ == DiskRest::Turn::kNo) return;
  lease_.emplace(environment);
  int code = lease_->code();
  if (lease_->txn() != nullptr) {
    EntryKey bytes = EntryKeyOf(key);
    MDB_val wanted{bytes.size(), bytes.data()}, value{};
    code = mdb_get(lease_->txn(), environment.entries(), &wanted, &value);
    if (code == 0) {
      const std::span<const std::byte> whole(static_cast<const std::byte*>(value.mv_data), value.mv_size);
      damaged_ = !ReadEntry(key, whole, entry_);
      found_ = !damaged_ && entry_.expires_unix_ns > now_unix_ns && entry_.expires_unix_ns <= latest_unix_ns;
    }
  }
  if (DiskEnvironment::IsFatal(code)) rest_.StopForGood(code);
}

DiskLookUp::~DiskLookUp() {
  if (!lease_) return;
  if (lease_->txn() != nullptr) {
    lease_.reset();
    TimePoint ended = std::chrono::steady_clock::now();
    // On a busy machine the thread may have been off its core meanwhile, which says nothing about the disk.
    if (ended - began_ > rest_.slow() && rest_.slow() > Duration::zero() && !WaitedForPages()) ended = began_;
    rest_.Looked(turn_, began_, ended);
  } else {
    rest_.NotLooked(turn_);
  }
}

}  // namespace punctual
