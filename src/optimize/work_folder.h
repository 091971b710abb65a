// Where a run works: a hidden folder beside the one it makes, called after it, so that
//   - the finished folder appears at once and whole, by a rename, or not at all;
//   - a run that was cut off is found by the next of the same key, and what it had finished is not computed again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "punctual/result.h"

namespace punctual::optimize {

// Movable; not thread-safe.
class WorkFolder {
 public:
  // Of the folder `target` to be made. What an earlier run of another `key` left is removed. kAlreadyExists: `target`
  // is there; kInvalidArgument: it cannot be made there; kUnavailable: another run is at work on it.
  static Result<WorkFolder> Open(const std::string& target, const Digest& key);
  WorkFolder(WorkFolder&& other) noexcept;
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder();  // lets others at it; what was kept stays

  // What an earlier run left that was cut off: one of the same key, of another.
  enum class Left { kNothing, kThisRuns, kAnothers };
  Left left() const { return left_; }

  const std::string& path() const { return path_; }

  // Bytes of a finished stage, with their digest: they are found again as they were, or not at all. kResourceExhausted:
  // the disk is full; kInternal: else.
  Result<void> Keep(const std::string& stage, std::string_view bytes);
  std::optional<std::string> Kept(const std::string& stage) const;

  // A file of the folder to be made; `path`: in it, "1/model.onnx". Errors: as for Keep.
  Result<void> Write(const std::string& path, std::string_view bytes);
  // Makes `target` of what was written, and removes the rest. kAlreadyExists: somebody else made it meanwhile.
  Result<void> Publish();
  // Nothing that is worth keeping: removes it all.
  void Remove();

 private:
  WorkFolder(std::string target, std::string path, int lock)
      : target_(std::move(target)), path_(std::move(path)), lock_(lock) {}
  const std::string target_, path_;
  int lock_;  // a file descriptor; -1: none
  Left left_ = Left::kNothing;
};

}  // namespace punctual::optimize
