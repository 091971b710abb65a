#include "cache/disk/environment.h"

#include <fcntl.h>
#include <lmdb.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "base/threads.h"
#include "cache/disk/layout.h"

namespace punctual {

namespace {

// Slots in the file that all processes share; and of those, one process's: a look-up takes about a microsecond, so that
// these many threads at once hardly ever meet.
constexpr unsigned int kAllReaders = 1024;
constexpr int kMostReaders = 64;
constexpr std::uint64_t kPage = 4096;       // LMDB takes the system's
constexpr off_t kRoom = 64 * off_t{kPage};  // for a few transactions that drop entries

}  // namespace

Result<std::unique_ptr<DiskEnvironment>> DiskEnvironment::Open(const std::string& path, std::size_t map_bytes,
                                                               bool& damaged) {
  std::unique_ptr<DiskEnvironment> environment(new DiskEnvironment);
  int code = mdb_env_create(&environment->env_);
  MDB_env* const env = environment->env_;
  if (code == 0) code = mdb_env_set_mapsize(env, map_bytes);
  if (code == 0) code = mdb_env_set_maxdbs(env, 1);
  if (code == 0) code = mdb_env_set_maxreaders(env, kAllReaders);
  if (code == 0) code = mdb_env_open(env, path.c_str(), MDB_NOSYNC | MDB_NOTLS, 0600);
  if (code == 0) code = environment->OpenTables();
  int dead = 0;
  if (code == 0) code = mdb_reader_check(env, &dead);
  const int readers = std::clamp(2 * UsableCores() + 8, 16, kMostReaders);
  for (int i = 0; code == 0 && i < readers; ++i) {
    auto slot = std::make_unique<Slot>();
    code = mdb_txn_begin(env, nullptr, MDB_RDONLY, &slot->txn);
    if (code == MDB_READERS_FULL && i > 0) {
      code = 0;
      break;
    }
    if (code != 0) break;
    mdb_txn_reset(slot->txn);
    environment->slots_.push_back(std::move(slot));
  }
  if (code == 0) return environment;

  damaged = IsFatal(code) && code != MDB_VERSION_MISMATCH;
  std::string what = std::string("cannot be opened: ") + mdb_strerror(code);
  if (code == ENOSPC || code == EIO) what += "; make room or choose another folder";
  if (code == MDB_READERS_FULL) what += "; too many processes share it";
  if (code == MDB_VERSION_MISMATCH) what += "; a process with another LMDB has it open: choose another folder";
  if (code == EAGAIN || code == EACCES)
    what +=
        "; a process of another container with the same process number may have it open: share no folder between "
        "containers that count processes on their own";
  return Fail(code == ENOSPC || code == EIO ? Code::kResourceExhausted : Code::kFailedPrecondition,
              "cache.disk.directory: " + path + ": " + what);
}

DiskEnvironment::~DiskEnvironment() {
  for (const auto& slot : slots_) mdb_txn_abort(slot->txn);
  mdb_env_close(env_);
}

// In a read transaction where the tables are there: another process that is stopped while writing must not keep us.
int DiskEnvironment::OpenTables() {
  int code = 0;
  for (const bool make : {false, true}) {
    MDB_txn* txn = nullptr;
    code = mdb_txn_begin(env_, nullptr, make ? 0 : MDB_RDONLY, &txn);
    if (code == MDB_MAP_RESIZED) {
      code = mdb_env_set_mapsize(env_, 0);
      if (code == 0) code = mdb_txn_begin(env_, nullptr, make ? 0 : MDB_RDONLY, &txn);
    }
    if (code != 0) return code;
    code = mdb_dbi_open(txn, nullptr, 0, &entries_);
    if (code == 0) code = mdb_dbi_open(txn, kExpiryTable, make ? MDB_CREATE : 0, &expiry_);
    if (code == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    if (code != MDB_NOTFOUND) return code;
  }
  return code;
}

DiskEnvironment::Lease::Lease(DiskEnvironment& environment) : environment_(environment) {
  const auto& slots = environment.slots_;
  const std::size_t first = ThisThreadNumber() % slots.size();
  for (std::size_t i = 0; i < slots.size(); ++i) {
    Slot& candidate = *slots[first + i < slots.size() ? first + i : first + i - slots.size()];
    if (!candidate.busy.load(std::memory_order_relaxed) && !candidate.busy.exchange(true, std::memory_order_acquire)) {
      slot_ = &candidate;
      Begin();
      return;
    }
  }
}

DiskEnvironment::Lease::~Lease() {
  if (txn_ != nullptr) mdb_txn_reset(txn_);
  if (slot_ != nullptr) slot_->busy.store(false, std::memory_order_release);
}

bool DiskEnvironment::Lease::Begin() {
  code_ = mdb_txn_renew(slot_->txn);
  if (code_ == 0) txn_ = slot_->txn;
  if (code_ == MDB_MAP_RESIZED) environment_.outgrown_.store(true, std::memory_order_relaxed);
  return code_ == 0;
}

bool DiskEnvironment::Lease::Renew() {
  mdb_txn_reset(txn_);
  txn_ = nullptr;
  return Begin();
}

int DiskEnvironment::Remap() {
  for (const auto& slot : slots_)
    while (slot->busy.exchange(true, std::memory_order_acquire))
      std::this_thread::sleep_for(std::chrono::microseconds(20));
  const int code = mdb_env_set_mapsize(env_, 0);
  outgrown_.store(false, std::memory_order_relaxed);
  for (const auto& slot : slots_) slot->busy.store(false, std::memory_order_release);
  return code;
}

std::uint64_t DiskEnvironment::used_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return (static_cast<std::uint64_t>(info.me_last_pgno) + 1) * kPage;
}

int DiskEnvironment::KeepRoom() {
  mdb_filehandle_t file = -1;
  if (const int code = mdb_env_get_fd(env_, &file); code != 0) return code;
  const auto used = static_cast<off_t>(used_bytes());
  if (::fallocate(file, FALLOC_FL_KEEP_SIZE, used, kRoom) == 0) return 0;
  return errno == ENOSPC || errno == EDQUOT ? errno : 0;
}

bool DiskEnvironment::IsFatal(int code) {
  switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_RSLOT:
    case MDB_BAD_DBI:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL: return true;
    default: return false;
  }
}

}  // namespace punctual
