#include "cache/disk/disk_cache.h"

#include <lmdb.h>

#include <vector>

#include "base/clock.h"

namespace punctual {

namespace {

constexpr std::size_t kMinBytes = 4u << 20;
constexpr Duration kCloseWait = std::chrono::seconds(2);
// Entries that are walked on one snapshot: its pages are kept that long.
constexpr std::size_t kWalk = 256;

Result<void> Check(const DiskCacheOptions& options) {
  const auto refuse = [](const std::string& what) { return Fail(Code::kInvalidArgument, "cache.disk." + what); };
  if (options.bytes < kMinBytes || options.bytes > kMaxDiskCacheBytes)
    return refuse("bytes: must be from 4 MiB to 1 TiB");
  if (options.queue < 1) return refuse("queue: must be at least 1");
  if (options.queue_bytes < 1) return refuse("queue_bytes: must be at least 1");
  if (options.sync_every <= Duration::zero()) return refuse("sync_every: must be above 0");
  return {};
}

// Where a walk has come to. Its cursor goes before its lease.
class Walk {
 public:
  explicit Walk(DiskEnvironment& environment) : environment_(environment), lease_(environment) { Open(); }
  ~Walk() { Close(); }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // The entry before the last one; false: there is none.
  bool Back(ExpiryKey& at) {
    MDB_val key{}, value{};
    if (cursor_ == nullptr) return false;
    int code;
    if (begun_) {
      code = mdb_cursor_get(cursor_, &key, &value, MDB_PREV);
    } else if (resumed_) {
      // At the last one or, where it went meanwhile, after it; and so before that one.
      key = {at.size(), at.data()};
      code = mdb_cursor_get(cursor_, &key, &value, MDB_SET_RANGE);
      code = mdb_cursor_get(cursor_, &key, &value, code == 0 ? MDB_PREV : MDB_LAST);
    } else {
      code = mdb_cursor_get(cursor_, &key, &value, MDB_LAST);
    }
    begun_ = true;
    if (code != 0 || key.mv_size != at.size()) return false;
    std::memcpy(at.data(), key.mv_data, at.size());
    return true;
  }
  bool Read(const Digest& key, EntryView& entry) {
    EntryKey bytes = EntryKeyOf(key);
    MDB_val wanted{bytes.size(), bytes.data()}, value{};
    return mdb_get(lease_.txn(), environment_.entries(), &wanted, &value) == 0 &&
           ReadEntry(key, {static_cast<const std::byte*>(value.mv_data), value.mv_size}, entry);
  }
  void Renew() {
    Close();
    resumed_ = true;
    begun_ = false;
    if (lease_.txn() != nullptr && lease_.Renew()) Open();
  }

 private:
  void Open() {
    if (lease_.txn() == nullptr || mdb_cursor_open(lease_.txn(), environment_.expiry(), &cursor_) != 0)
      cursor_ = nullptr;
  }
  void Close() {
    if (cursor_ != nullptr) mdb_cursor_close(std::exchange(cursor_, nullptr));
  }

  DiskEnvironment& environment_;
  DiskEnvironment::Lease lease_;
  MDB_cursor* cursor_ = nullptr;
  bool begun_ = false, resumed_ = false;
};

}  // namespace

Result<std::unique_ptr<DiskCache>> DiskCache::Open(const DiskCacheOptions& options) {
  PUNCTUAL_TRY(Check(options));
  std::unique_ptr<DiskCache> cache(new DiskCache);
  PUNCTUAL_ASSIGN(cache->directory_, DiskDirectory::Open(options.directory, options.bytes));
  DiskDirectory& directory = *cache->directory_;
  const std::size_t map_bytes = options.bytes / 65536 * 65536;  // whole pages, whatever their size
  bool damaged = false;
  auto environment = DiskEnvironment::Open(directory.path(), map_bytes, damaged);
  if (environment.has_error() && damaged && directory.alone()) {
    PUNCTUAL_TRY(directory.MoveAside(environment.error().message));
    environment = DiskEnvironment::Open(directory.path(), map_bytes, damaged);
  }
  if (environment.has_error()) return environment.error();
  cache->environment_ = std::move(environment).value();
  PUNCTUAL_TRY(directory.Opened());
  cache->rest_ = std::make_unique<DiskRest>(options.slow_look_up);
  cache->writer_ = std::make_unique<DiskWriter>(*cache->environment_, directory, *cache->rest_, options);
  return cache;
}

DiskCache::~DiskCache() {
  writer_.reset();
  if (environment_) {
    directory_->Closing(kCloseWait);
    environment_.reset();
  }
}

bool DiskCache::Put(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns, std::string record) {
  return writer_->Put(key, subject, expires_unix_ns, std::move(record));
}

void DiskCache::Remove(const Digest& key) { writer_->Remove(key); }

bool DiskCache::Purge(const SubjectFilter& filter, DiskWriter::PurgeDone done) {
  return writer_->Purge(filter, std::move(done));
}

void DiskCache::DropDamaged(const Digest& key) const {
  damaged_.fetch_add(1, std::memory_order_relaxed);
  writer_->Remove(key);
}

void DiskCache::ForEachNewest(TimePoint until, const Visitor& visit) const {
  if (rest_->stopped_by() != 0) return;
  const std::int64_t now_unix_ns = UnixTimeNs(), latest_unix_ns = writer_->LatestExpiry(now_unix_ns);
  Walk walk(*environment_);
  ExpiryKey at;
  for (std::size_t i = 1; walk.Back(at); ++i) {
    if (std::chrono::steady_clock::now() >= until || ExpiryOf(at) <= now_unix_ns) return;
    const Digest key = DigestOfExpiryKey(at);
    EntryView entry;
    if (ExpiryOf(at) <= latest_unix_ns && walk.Read(key, entry) &&
        !visit(key, entry.subject, entry.expires_unix_ns, entry.record))
      return;
    if (i % kWalk == 0) walk.Renew();
  }
}

DiskCacheStats DiskCache::Stats() const {
  DiskCacheStats stats;
  writer_->AddTo(stats);
  stats.damaged = damaged_.load(std::memory_order_relaxed);
  stats.slow_look_ups = rest_->slow_look_ups();
  stats.resting = rest_->resting();
  if (const int code = rest_->stopped_by(); code != 0)
    stats.why_resting = std::string("stopped for good: ") + mdb_strerror(code);
  else if (stats.resting)
    stats.why_resting = "a look-up took longer than cache.disk.slow_look_up";
  stats.moved_aside = directory_->moved_aside();
  return stats;
}

}  // namespace punctual
