// The second layer: answers on disk, in LMDB, in one environment that all Punctual processes of a machine share. They
// survive restarts and kill -9. What cannot be kept is dropped and counted; a damaged file is moved aside; a disk that
// answers late lets the layer rest. It knows records by their bytes alone, and gives back only bytes that were put
// under the same key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/digest.h"
#include "cache/disk/look_up.h"
#include "cache/disk/options.h"
#include "cache/disk/writer.h"

namespace punctual {

// Thread-safe, except the destructor. Not after fork(): open it in the process that uses it.
class DiskCache {
 public:
  // False: no more.
  using Visitor = std::function<bool(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns,
                                     std::span<const std::byte> record)>;

  // Reads the whole file once where no other process has it open, to see that it is sound. The caller goes on without
  // this layer on an error: kInvalidArgument for options that cannot work; kFailedPrecondition, kResourceExhausted,
  // kUnavailable for a folder that cannot be used: "cache.disk.directory: PATH: what; what to do".
  static Result<std::unique_ptr<DiskCache>> Open(const DiskCacheOptions& options);
  // Writes what is queued, for 2 s at most.
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  // What the log should say of the opening: that a damaged file was moved aside, or one too large begun anew. Empty:
  // nothing.
  const std::string& notice() const { return directory_->notice(); }

  // Calls `visit(std::span<const std::byte> record)` with the bytes where they lie in the map: not aligned, gone when
  // it returns. On the calling thread, about a microsecond, no allocation; where the pages are not in memory the disk
  // is waited for, and the layer rests afterwards. False, without a visit: there is none, it expired, or the layer
  // rests.
  template <class Visit>
  bool Get(const Digest& key, std::int64_t now_unix_ns, Visit&& visit) const {
    const DiskLookUp look_up(*environment_, *rest_, key, now_unix_ns, writer_->LatestExpiry(now_unix_ns));
    if (look_up.damaged()) [[unlikely]]
      DropDamaged(key);
    if (look_up.found()) std::forward<Visit>(visit)(look_up.record());
    return look_up.found();
  }

  // Hands over to the write thread; never blocks. Replaces what was there. False: dropped and counted, see
  // DiskCacheStats::dropped.
  bool Put(const Digest& key, const Subject& subject, std::int64_t expires_unix_ns, std::string record);
  // In the background, for a record that turned out invalid.
  void Remove(const Digest& key);
  // The longest that anything is put for now. What expires later, by more than a minute, was written by a clock that
  // was ahead: it counts as expired. Until this is called nothing does.
  void SetLongestTtl(Duration ttl) { writer_->SetLongestTtl(ttl); }
  // Drops what was put before and matches, in the background; what is put meanwhile may go too. `done`, if not empty,
  // is called once on the write thread, at the latest by the destructor (which does not wait for all to be dropped);
  // `error` says why not all was dropped, empty if all was. False: 1,024 purges wait already.
  bool Purge(const SubjectFilter& filter, DiskWriter::PurgeDone done = {});
  // Those that expire last first, without expired ones (see SetLongestTtl), until `visit` returns false or `until`. On
  // the calling thread.
  void ForEachNewest(TimePoint until, const Visitor& visit) const;

  DiskCacheStats Stats() const;

 private:
  DiskCache() = default;
  void DropDamaged(const Digest& key) const;

  std::unique_ptr<DiskDirectory> directory_;
  std::unique_ptr<DiskEnvironment> environment_;
  std::unique_ptr<DiskRest> rest_;
  std::unique_ptr<DiskWriter> writer_;
  mutable std::atomic<std::uint64_t> damaged_ = 0;
};

}  // namespace punctual
