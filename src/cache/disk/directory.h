// The folder of the disk layer: made and checked, its data file validated and moved aside if damaged, and the locks
// between the processes that share it.
//
// The locks lie on the file punctual.lock, as open-file-description locks (fcntl F_OFD_*), which the kernel gives back
// however a process ends and which can be weakened in one step:
//   gate   exclusive, while the environment is opened or closed: LMDB does not bear both at once
//   life   shared, while the environment is open; exclusive, within the gate, shows who opens that he is alone
//   turn   exclusive, while writing: waiting for it can be given up, unlike waiting for LMDB's own mutex, which a
//          stopped process may hold for ever
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

inline constexpr std::uint64_t kMaxDiskCacheBytes = std::uint64_t{1} << 40;

// Not thread-safe, but for the turn.
class DiskDirectory {
 public:
  // Makes the folder (0700; parents as usual), refuses one that others can write to, takes the gate (waiting for 10 s
  // at most), and, if no other process has it open, validates data.mdb and moves a damaged one aside. The gate stays
  // taken until Opened().
  // `bytes`: a data file larger than this is begun anew, where this process is alone.
  // kInvalidArgument, kFailedPrecondition, kResourceExhausted, kUnavailable: "cache.disk.directory: ...".
  static Result<std::unique_ptr<DiskDirectory>> Open(const std::string& path, std::uint64_t bytes);
  // Gives everything back. REQUIRES: LMDB's environment is closed.
  ~DiskDirectory();
  DiskDirectory(const DiskDirectory&) = delete;
  DiskDirectory& operator=(const DiskDirectory&) = delete;

  const std::string& path() const { return path_; }
  bool alone() const { return alone_; }
  // What was done to a data file that was there, for the log; empty: nothing.
  const std::string& notice() const { return notice_; }
  // Where it was moved; empty: it was not.
  const std::string& moved_aside() const { return moved_aside_; }

  // Moves the data file aside, because of `what`. REQUIRES: alone(), before Opened().
  Result<void> MoveAside(const std::string& what);
  // The environment is open: lets others in.
  Result<void> Opened();
  // The environment is about to be closed: keeps others from opening it meanwhile, if that can be had in time.
  void Closing(Duration within);

  // Thread-safe between processes; one thread of this process.
  bool TryTakeTurn();
  void GiveTurn();

 private:
  explicit DiskDirectory(std::string path) : path_(std::move(path)) {}
  Result<void> Make();
  Result<void> CheckFiles(bool& ours);
  Result<void> TakeGate();
  Result<void> Validate(std::uint64_t bytes);
  Result<void> AllocateLockFile();
  bool Lock(int what, short kind);
  Error Refuse(Code code, const std::string& what) const;
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  std::string path_;
  std::string notice_, moved_aside_;
  bool alone_ = false;
  int lock_ = -1;
  bool registered_ = false;
  std::pair<dev_t, ino_t> identity_{};
};

}  // namespace punctual
