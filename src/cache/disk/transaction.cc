#include "cache/disk/transaction.h"

#include <lmdb.h>

#include <utility>

namespace punctual {

namespace {

constexpr std::size_t kNodeHead = 8 + 2;      // of LMDB: a node's head and its pointer
constexpr std::size_t kPage = 4096;           // near enough for what things cost, whatever the machine's page is
constexpr std::size_t kLargestInPage = 2000;  // a larger node has pages of its own

template <class Bytes>
MDB_val ValueOf(Bytes& bytes) {
  return {bytes.size(), bytes.data()};
}
std::span<const std::byte> BytesOf(const MDB_val& value) {
  return {static_cast<const std::byte*>(value.mv_data), value.mv_size};
}

// A cursor, closed before its transaction ends.
class Cursor {
 public:
  Cursor(MDB_txn* txn, MDB_dbi table) : code_(mdb_cursor_open(txn, table, &cursor_)) {}
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  int Get(MDB_val& key, MDB_val& value, MDB_cursor_op op) {
    return code_ != 0 ? code_ : mdb_cursor_get(cursor_, &key, &value, op);
  }
  int Delete() { return mdb_cursor_del(cursor_, 0); }

 private:
  MDB_cursor* cursor_ = nullptr;
  int code_;
};

// A key of the expiry table, copied: what a cursor shows is good until the next change only.
int CopyKey(const MDB_val& from, ExpiryKey& key) {
  if (from.mv_size != key.size()) return MDB_CORRUPTED;
  std::memmove(key.data(), from.mv_data, key.size());
  return 0;
}

}  // namespace

std::uint64_t DiskTransaction::Cost(std::size_t record_bytes) {
  const std::uint64_t expiry = kNodeHead + kExpiryKeyBytes + kSubjectBytes;
  const std::uint64_t node = kNodeHead + kEntryKeyBytes + kEntryHeadBytes + record_bytes;
  if (node <= kLargestInPage) return expiry + node;
  return expiry + kNodeHead + kEntryKeyBytes + 8 + (kEntryHeadBytes + record_bytes + 16 + kPage - 1) / kPage * kPage;
}

DiskTransaction::DiskTransaction(DiskEnvironment& environment)
    : environment_(environment), begun_(mdb_txn_begin(environment.env(), nullptr, 0, &txn_)) {
  if (begun_ != 0) txn_ = nullptr;
}

DiskTransaction::~DiskTransaction() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

int DiskTransaction::Put(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns,
                         std::span<const std::byte> record) {
  if (const int code = Remove(key); code != 0) return code;
  EntryKey entry_key = EntryKeyOf(key);
  MDB_val entry = ValueOf(entry_key), value{kEntryHeadBytes + record.size(), nullptr};
  if (const int code = mdb_put(txn_, environment_.entries(), &entry, &value, MDB_RESERVE); code != 0) return code;
  WriteEntry(key, subject, expires_unix_ns, record, {static_cast<std::byte*>(value.mv_data), value.mv_size});

  ExpiryKey expiry_key = ExpiryKeyOf(expires_unix_ns, key);
  std::array<std::byte, kSubjectBytes> about;
  StoreSubject(subject, about.data());
  MDB_val expiry = ValueOf(expiry_key), subject_value = ValueOf(about);
  return mdb_put(txn_, environment_.expiry(), &expiry, &subject_value, 0);
}

int DiskTransaction::Remove(const Digest& key) {
  EntryKey entry_key = EntryKeyOf(key);
  MDB_val entry = ValueOf(entry_key), value{};
  int code = mdb_get(txn_, environment_.entries(), &entry, &value);
  if (code == MDB_NOTFOUND) return 0;
  if (code != 0) return code;
  if (value.mv_size < kEntryHeadBytes) return MDB_CORRUPTED;
  ExpiryKey expiry_key = ExpiryKeyOf(ExpiryOfEntry(BytesOf(value)), key);
  MDB_val expiry = ValueOf(expiry_key);
  code = mdb_del(txn_, environment_.expiry(), &expiry, nullptr);
  if (code != 0 && code != MDB_NOTFOUND) return code;
  return mdb_del(txn_, environment_.entries(), &entry, nullptr);
}

int DiskTransaction::DropEntry(const ExpiryKey& at, DiskDropped& dropped) {
  EntryKey entry_key = EntryKeyOf(DigestOfExpiryKey(at));
  MDB_val entry = ValueOf(entry_key), value{};
  int code = mdb_get(txn_, environment_.entries(), &entry, &value);
  if (code == MDB_NOTFOUND) return 0;
  if (code != 0) return code;
  const std::size_t bytes = value.mv_size;
  code = mdb_del(txn_, environment_.entries(), &entry, nullptr);
  if (code != 0) return code;
  ++dropped.entries;
  dropped.bytes += Cost(bytes < kEntryHeadBytes ? 0 : bytes - kEntryHeadBytes);
  return 0;
}

int DiskTransaction::DropSoonest(std::size_t at_most, std::uint64_t enough_bytes, std::int64_t expires_by,
                                 DiskDropped& dropped) {
  Cursor cursor(txn_, environment_.expiry());
  const std::uint64_t until_bytes = dropped.bytes + enough_bytes;
  for (std::size_t i = 0; i < at_most && dropped.bytes < until_bytes; ++i) {
    MDB_val key{}, value{};
    ExpiryKey at;
    int code = cursor.Get(key, value, MDB_FIRST);
    if (code == MDB_NOTFOUND) return 0;
    if (code == 0) code = CopyKey(key, at);
    if (code == 0 && ExpiryOf(at) > expires_by) return 0;
    if (code == 0) code = DropEntry(at, dropped);
    if (code == 0) code = cursor.Delete();
    if (code != 0) return code;
  }
  return 0;
}

int DiskTransaction::DropBeyond(std::size_t at_most, std::int64_t expires_after, DiskDropped& dropped) {
  Cursor cursor(txn_, environment_.expiry());
  for (std::size_t i = 0; i < at_most; ++i) {
    MDB_val key{}, value{};
    ExpiryKey at;
    int code = cursor.Get(key, value, MDB_LAST);
    if (code == MDB_NOTFOUND) return 0;
    if (code == 0) code = CopyKey(key, at);
    if (code == 0 && ExpiryOf(at) <= expires_after) return 0;
    if (code == 0) code = DropEntry(at, dropped);
    if (code == 0) code = cursor.Delete();
    if (code != 0) return code;
  }
  return 0;
}

int DiskTransaction::Purge(const SubjectFilter& filter, std::size_t at_most, ExpiryKey& from, bool& finished,
                           DiskDropped& dropped) {
  Cursor cursor(txn_, environment_.expiry());
  MDB_val key = ValueOf(from), value{};
  int code = cursor.Get(key, value, MDB_SET_RANGE);
  for (std::size_t i = 0; code == 0; ++i) {
    if (const int failed = CopyKey(key, from); failed != 0) return failed;
    if (i == at_most) return 0;
    if (value.mv_size != kSubjectBytes) return MDB_CORRUPTED;
    if (filter.Matches(SubjectAt(static_cast<const std::byte*>(value.mv_data)))) {
      code = DropEntry(from, dropped);
      if (code == 0) code = cursor.Delete();
      if (code != 0) return code;
    }
    code = cursor.Get(key, value, MDB_NEXT);
  }
  if (code != MDB_NOTFOUND) return code;
  finished = true;
  return 0;
}

int DiskTransaction::UseOf(const DiskEnvironment& environment, MDB_txn* txn, DiskUse& use) {
  MDB_stat entries{}, expiry{};
  int code = mdb_stat(txn, environment.entries(), &entries);
  if (code == 0) code = mdb_stat(txn, environment.expiry(), &expiry);
  if (code != 0) return code;
  use.entries = expiry.ms_entries;
  use.bytes = entries.ms_psize * (entries.ms_branch_pages + entries.ms_leaf_pages + entries.ms_overflow_pages +
                                  expiry.ms_branch_pages + expiry.ms_leaf_pages + expiry.ms_overflow_pages);
  return 0;
}

int DiskTransaction::Commit() { return mdb_txn_commit(std::exchange(txn_, nullptr)); }

}  // namespace punctual
