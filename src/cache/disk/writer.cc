#include "cache/disk/writer.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "base/clock.h"
#include "base/threads.h"

namespace punctual {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLinger = milliseconds(10);  // after the first change, so that others share its transaction
constexpr Duration kChores = seconds(1);
constexpr Duration kReaderCheck = seconds(10);
constexpr Duration kFullDisk = seconds(60);    // how long the bound stays at what a full disk could hold
constexpr Duration kPause = seconds(1);        // after a write failed
constexpr Duration kSeries = seconds(60);      // without a failure: the next one is told again
constexpr Duration kClockStep = seconds(60);   // by which clocks are set back without anything being wrong
constexpr std::uint64_t kFewBytes = 1u << 20;  // a disk that has less for us is full
constexpr Duration kStop = seconds(2);
constexpr int kAttempts = 10;  // to make room, 1 s in all
constexpr std::size_t kMaxBatch = 256;
constexpr std::size_t kMaxPurges = 1024;
constexpr std::size_t kPage = 4096;
constexpr std::int64_t kAnyExpiry = std::numeric_limits<std::int64_t>::max();
// LMDB has no code of its own for giving up.
constexpr int kNoTurn = ECANCELED;

TimePoint Now() { return std::chrono::steady_clock::now(); }

bool IsFull(int code) { return code == MDB_MAP_FULL || code == ENOSPC || code == EDQUOT || code == EIO; }

}  // namespace

// The right to write, of all processes that share the folder.
class DiskWriter::Turn {
 public:
  explicit Turn(DiskWriter& writer) : writer_(writer) {
    for (Duration wait = std::chrono::microseconds(200);; wait = std::min<Duration>(2 * wait, milliseconds(5))) {
      taken_ = writer_.directory_.TryTakeTurn();
      if (taken_ || writer_.OutOfTime()) return;
      std::this_thread::sleep_for(wait);
    }
  }
  ~Turn() {
    if (taken_) writer_.directory_.GiveTurn();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool taken() const { return taken_; }

 private:
  DiskWriter& writer_;
  bool taken_ = false;
};

DiskWriter::DiskWriter(DiskEnvironment& environment, DiskDirectory& directory, DiskRest& rest,
                       const DiskCacheOptions& options)
    : environment_(environment),
      directory_(directory),
      rest_(rest),
      options_(options),
      max_record_bytes_(options.bytes / 64),
      bound_bytes_(options.bytes) {
  {
    MutexLock lock(mutex_);
    pending_.reserve(options.queue);
  }
  taken_.reserve(options.queue);
  next_sync_ = Now() + options.sync_every;
  {
    // For those who ask before the thread's first chores, which may have to wait for their turn.
    const DiskEnvironment::Lease lease(environment);
    DiskUse use;
    if (lease.txn() != nullptr && DiskTransaction::UseOf(environment, lease.txn(), use) == 0) Keep(use);
  }
  thread_ = std::thread([this] { Run(); });
}

DiskWriter::~DiskWriter() {
  stop_by_ns_.store((Now() + kStop).time_since_epoch().count());
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyOne();
  thread_.join();
}

bool DiskWriter::OutOfTime() const {
  const std::int64_t stop_by = stop_by_ns_.load(std::memory_order_relaxed);
  return stop_by != 0 && Now().time_since_epoch().count() > stop_by;
}

bool DiskWriter::Put(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns, std::string record) {
  const bool queued = record.size() <= max_record_bytes_ && rest_.stopped_by() == 0 &&
                      Queue({true, key, subject, expires_unix_ns, std::move(record)});
  if (!queued) dropped_.fetch_add(1, std::memory_order_relaxed);
  return queued;
}

void DiskWriter::Remove(const Digest& key) { Queue({false, key, {}, 0, {}}); }

bool DiskWriter::Queue(Change change) {
  bool first;
  {
    MutexLock lock(mutex_);
    if (stopping_ || queued_ >= options_.queue || queued_bytes_ + change.record.size() > options_.queue_bytes)
      return false;
    ++queued_;
    queued_bytes_ += change.record.size();
    first = pending_.empty();
    pending_.push_back(std::move(change));
  }
  if (first) changed_.NotifyOne();
  return true;
}

bool DiskWriter::Purge(const SubjectFilter& filter, PurgeDone done) {
  {
    MutexLock lock(mutex_);
    if (stopping_ || new_purges_.size() >= kMaxPurges) return false;
    new_purges_.push_back({filter, std::move(done)});
  }
  changed_.NotifyOne();
  return true;
}

std::int64_t DiskWriter::LatestExpiry(std::int64_t now_unix_ns) const {
  const std::int64_t longest = longest_ttl_ns_.load(std::memory_order_relaxed);
  if (longest > kAnyExpiry - kClockStep.count() - std::max<std::int64_t>(now_unix_ns, 0)) return kAnyExpiry;
  return now_unix_ns + longest + kClockStep.count();
}

void DiskWriter::AddTo(DiskCacheStats& stats) const {
  stats.entries = entries_.load(std::memory_order_relaxed);
  stats.bytes = bytes_.load(std::memory_order_relaxed);
  stats.bound_bytes = options_.bytes;
  stats.writes = writes_.load(std::memory_order_relaxed);
  stats.dropped = dropped_.load(std::memory_order_relaxed);
  stats.failed = failed_.load(std::memory_order_acquire);  // before the error: see Failed()
  stats.evictions = evictions_.load(std::memory_order_relaxed);
  stats.expirations = expirations_.load(std::memory_order_relaxed);
  stats.purge_pauses = purge_pauses_.load(std::memory_order_relaxed);
  MutexLock lock(mutex_);
  stats.queued = queued_;
  stats.last_error = last_error_;
}

void DiskWriter::Run() {
  NameThisThread("disk-cache");
  for (;;) {
    const bool last = Take();
    WriteAll();
    PurgeSome();
    if (last && (purges_.empty() || OutOfTime() || Now() < not_before_ || Now() < purge_not_before_)) break;
    if (Now() >= next_chores_) DoChores();
  }
  Finish();
}

// Waits for something to do. True: it is the last time, nothing more will be queued.
bool DiskWriter::Take() {
  MutexLock lock(mutex_);
  for (;;) {
    const TimePoint now = Now();
    const bool may_write = now >= not_before_;
    const bool may_purge = now >= purge_not_before_;
    const bool work = !pending_.empty() || !new_purges_.empty() || (may_purge && !purges_.empty());
    if (stopping_ || (work && may_write) || now >= next_chores_) break;
    TimePoint until = may_write ? next_chores_ : std::min(next_chores_, not_before_);
    if (!may_purge) until = std::min(until, std::max(not_before_, purge_not_before_));
    changed_.WaitUntil(mutex_, until);
  }
  if (!stopping_ && Now() < not_before_) return false;
  if (!pending_.empty() && purges_.empty()) {
    const TimePoint until = Now() + kLinger;
    while (!stopping_ && pending_.size() < kMaxBatch && changed_.WaitUntil(mutex_, until)) {
    }
  }
  taken_.swap(pending_);
  // After what was put before it.
  while (!new_purges_.empty()) {
    purges_.push_back(std::move(new_purges_.front()));
    new_purges_.pop_front();
  }
  return stopping_;
}

void DiskWriter::WriteAll() {
  int attempt = 0;
  for (std::size_t at = 0; at < taken_.size();) {
    std::size_t end = at, bytes = 0, puts = 0;
    while (end < taken_.size() && end - at < BatchLimit() && (end == at || bytes < max_record_bytes_)) {
      bytes += taken_[end].record.size();
      puts += taken_[end++].put;
    }
    if (rest_.stopped_by() != 0 || OutOfTime()) {
      dropped_.fetch_add(puts, std::memory_order_relaxed);
    } else if (Now() < not_before_) {
      failed_.fetch_add(end - at, std::memory_order_relaxed);
    } else {
      const int code = WriteBatch({taken_.data() + at, end - at});
      if (IsFull(code) && attempt < kAttempts) {
        MakeRoom(code, attempt++);
        continue;
      }
      if (code == 0)
        writes_.fetch_add(puts, std::memory_order_relaxed);
      else
        Failed(code, end - at);
    }
    {
      MutexLock lock(mutex_);
      queued_ -= end - at;
      queued_bytes_ -= bytes;
    }
    at = end;
    attempt = 0;
  }
  taken_.clear();
}

// How many changes make a transaction: each touches a page or two, which are free again two transactions later. So this
// is a few hundredths of what there is.
std::size_t DiskWriter::BatchLimit() const { return std::clamp<std::size_t>(bound_bytes_ / kPage / 128, 2, kMaxBatch); }

// What is over: expired, or written by a clock that was ahead, which would else outlive and crowd out all that comes.
int DiskWriter::DropOver(DiskTransaction& transaction, DiskDropped& expired) {
  const std::int64_t now_unix_ns = UnixTimeNs();
  const int code = transaction.DropSoonest(2 * BatchLimit(), kAnyExpiry, now_unix_ns, expired);
  return code != 0 ? code : transaction.DropBeyond(2 * BatchLimit(), LatestExpiry(now_unix_ns), expired);
}

int DiskWriter::WriteBatch(std::span<const Change> batch) {
  const Turn turn(*this);
  if (!turn.taken()) return kNoTurn;
  std::optional<DiskTransaction> transaction;
  int code = Begin(transaction);
  if (code != 0) return code;
  DiskUse use;
  code = transaction->Use(use);
  DiskDropped expired, evicted;
  if (code == 0) code = DropOver(*transaction, expired);
  std::uint64_t cost = 0;
  for (const Change& change : batch) cost += change.put ? DiskTransaction::Cost(change.record.size()) : 0;
  // Beyond 80 % of the bound as much goes as comes, and a bit more; not down to a mark below: keys lie at random, so
  // that pages get free only long after the entries on them. Beyond 90 % much more goes.
  if (code == 0 && use.bytes + cost > bound_bytes_ / 10 * 8) {
    const std::uint64_t goes = use.bytes > bound_bytes_ / 10 * 9 ? cost * 4 : cost + cost / 4;
    if (goes > expired.bytes)
      code = transaction->DropSoonest(4 * BatchLimit() + 8, goes - expired.bytes, kAnyExpiry, evicted);
  }
  for (const Change& change : batch) {
    if (code != 0) return code;
    code = change.put ? transaction->Put(change.key, change.subject, change.expires_unix_ns,
                                         std::as_bytes(std::span(change.record)))
                      : transaction->Remove(change.key);
  }
  return code != 0 ? code : CommitAndCount(*transaction, expired, evicted);
}

// The map or the disk is full although there should be room: somebody still reads the old pages, what is free lies in
// pieces too small for a large record, others filled the disk. Waits a bit and drops entries, more each time: that too
// needs pages, and finds but few.
void DiskWriter::MakeRoom(int why, int attempt) {
  std::this_thread::sleep_for(milliseconds(1 << attempt));
  struct stat file {};
  int descriptor = -1;
  if (why != MDB_MAP_FULL && mdb_env_get_fd(environment_.env(), &descriptor) == 0 && ::fstat(descriptor, &file) == 0) {
    bound_bytes_ = std::min<std::uint64_t>(options_.bytes, static_cast<std::uint64_t>(file.st_size));
    next_bound_ = Now() + kFullDisk;
  }
  const Turn turn(*this);
  if (!turn.taken()) return;
  std::optional<DiskTransaction> transaction;
  DiskDropped evicted;
  const std::size_t at_most = std::min(std::size_t{4} << attempt, 4 * BatchLimit());
  int code = Begin(transaction);
  if (code == 0) code = transaction->DropBeyond(at_most, LatestExpiry(UnixTimeNs()), evicted);
  if (code == 0 && evicted.entries < at_most)
    code = transaction->DropSoonest(at_most - evicted.entries, bound_bytes_, kAnyExpiry, evicted);
  if (code == 0) CommitAndCount(*transaction, {}, evicted);
}

void DiskWriter::PurgeSome() {
  if (const int code = rest_.stopped_by(); code != 0) return EndPurges(mdb_strerror(code));
  if (purges_.empty() || Now() < not_before_ || Now() < purge_not_before_) return;
  PurgeTask& purge = purges_.front();
  const ExpiryKey from = purge.from;
  bool finished = false;
  DiskDropped dropped;
  int code = kNoTurn;
  if (const Turn turn(*this); turn.taken()) {
    std::optional<DiskTransaction> transaction;
    code = Begin(transaction);
    if (code == 0) code = transaction->Purge(purge.filter, 2 * BatchLimit(), purge.from, finished, dropped);
    if (code == 0 && dropped.entries > 0) code = CommitAndCount(*transaction, {}, {});
  }
  if (code != 0) {
    purge.from = from;
    // A full map as well, which writes make room in: whoever still reads the old pages takes his time.
    purge_not_before_ = Now() + kPause;
    purge_pauses_.fetch_add(1, std::memory_order_relaxed);
    return Failed(code, 0);
  }
  purge.dropped += dropped.entries;
  if (!finished) return;
  const PurgeTask finished_one = std::move(purge);
  purges_.pop_front();
  if (finished_one.done) finished_one.done(finished_one.dropped, {});
}

void DiskWriter::DoChores() {
  const TimePoint now = Now();
  next_chores_ = now + kChores;
  if (rest_.stopped_by() != 0) return;
  if (environment_.outgrown()) {
    const Turn turn(*this);
    if (const int code = turn.taken() ? environment_.Remap() : kNoTurn; code != 0) return Note(code);
  }
  if (now >= next_bound_) bound_bytes_ = options_.bytes;
  if (now >= next_reader_check_) {
    next_reader_check_ = now + kReaderCheck;
    // Readers of killed processes would keep old pages for ever.
    int dead = 0;
    mdb_reader_check(environment_.env(), &dead);
  }
  if (now >= not_before_) DropExpired();
  if (unsynced_ && now >= next_sync_) {
    next_sync_ = now + options_.sync_every;
    if (const int code = mdb_env_sync(environment_.env(), 1); code != 0) Note(code);
    unsynced_ = false;
  }
}

// In bounded transactions, and not so many that puts wait for long.
void DiskWriter::DropExpired() {
  for (int i = 0; i < 8; ++i) {
    const Turn turn(*this);
    if (!turn.taken()) return;
    std::optional<DiskTransaction> transaction;
    DiskDropped expired;
    DiskUse use;
    int code = Begin(transaction);
    if (code == 0) code = transaction->Use(use);
    if (code == 0) Keep(use);
    if (code == 0) code = DropOver(*transaction, expired);
    if (code == 0 && expired.entries > 0) code = CommitAndCount(*transaction, expired, {});
    if (code != 0) return Note(code);
    if (expired.entries < 2 * BatchLimit()) return;
  }
}

void DiskWriter::Finish() {
  if (unsynced_ && !OutOfTime() && rest_.stopped_by() == 0) mdb_env_sync(environment_.env(), 1);
  EndPurges("shutting down");
}

void DiskWriter::EndPurges(const std::string& why) {
  for (PurgeTask& purge : purges_)
    if (purge.done) purge.done(purge.dropped, why);
  purges_.clear();
}

int DiskWriter::Begin(std::optional<DiskTransaction>& transaction) {
  transaction.emplace(environment_);
  if (transaction->begun() == MDB_MAP_RESIZED) {
    transaction.reset();
    if (const int code = environment_.Remap(); code != 0) return code;
    transaction.emplace(environment_);
  }
  return transaction->begun();
}

int DiskWriter::CommitAndCount(DiskTransaction& transaction, const DiskDropped& expired, const DiskDropped& evicted) {
  DiskUse use;
  int code = transaction.Use(use);
  if (code == 0) code = transaction.Commit();
  if (code != 0) return code;
  unsynced_ = true;
  Keep(use);
  KeepRoom();
  expirations_.fetch_add(expired.entries, std::memory_order_relaxed);
  evictions_.fetch_add(evicted.entries, std::memory_order_relaxed);
  return 0;
}

// On a full disk nothing more is added to the file: what comes takes the place of what goes.
void DiskWriter::KeepRoom() {
  if (environment_.KeepRoom() == 0) return;
  bound_bytes_ = std::min<std::uint64_t>(options_.bytes, environment_.used_bytes());
  next_bound_ = Now() + kFullDisk;
}

void DiskWriter::Keep(const DiskUse& use) {
  entries_.store(use.entries, std::memory_order_relaxed);
  bytes_.store(use.bytes, std::memory_order_relaxed);
}

void DiskWriter::Failed(int code, std::size_t changes) {
  if (code == kNoTurn) {
    dropped_.fetch_add(changes, std::memory_order_relaxed);
    return;
  }
  // A full map was waited for already.
  if (code != MDB_MAP_FULL) not_before_ = Now() + kPause;
  Note(code);
  // After the error, which AddTo() reads after the count: who sees one failure at least sees why.
  failed_.fetch_add(changes, std::memory_order_release);
}

// LMDB says EIO where a write was cut short, which is what happens when a disk fills up.
int DiskWriter::MeaningOf(int code) const {
  struct statvfs disk {};
  if (code != EIO || ::statvfs(directory_.path().c_str(), &disk) != 0) return code;
  return disk.f_bavail * disk.f_frsize < kFewBytes ? ENOSPC : code;
}

void DiskWriter::Note(int code) {
  if (DiskEnvironment::IsFatal(code)) rest_.StopForGood(code);
  const std::string why = mdb_strerror(MeaningOf(code));
  // Waiting for the turn in vain says nothing about the disk.
  const bool tell = code != kNoTurn && Now() >= quiet_until_;
  if (tell && options_.on_notice)
    options_.on_notice("cache.disk.directory: " + directory_.path() + ": cannot be written: " + why +
                       "; answers are left out there until it can");
  if (code != kNoTurn) quiet_until_ = Now() + kSeries;
  MutexLock lock(mutex_);
  last_error_ = why;
}

}  // namespace punctual
