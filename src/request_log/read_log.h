// Reads what a request log kept of one model, while it may be written to.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/result.h"
#include "request_log/logged_request.h"

namespace punctual {

// Holds one segment in memory, 64 MiB at most. Not thread-safe.
class LogReader {
 public:
  // `folder`: DIRECTORY/MODEL. kNotFound: there are no segments in it.
  static Result<LogReader> Open(const std::string& folder);

  // The next, roughly in the order they were asked; none: that was all. What cannot be read is left out: a segment that
  // goes meanwhile, and of one that is damaged all that lies behind the damage.
  std::optional<LoggedRequest> Next();

  // Segments of which something was left out: damaged, or cut off. A record at the end of the newest that is not whole
  // is no damage: it may be being written.
  std::size_t damaged() const { return damaged_; }

 private:
  explicit LogReader(std::vector<std::string> segments) : segments_(std::move(segments)) {}
  bool OpenNextSegment();
  void CutOff();

  std::vector<std::string> segments_;
  std::size_t next_segment_ = 0, damaged_ = 0;
  std::string segment_;
  std::string_view left_;  // of segment_
};

}  // namespace punctual
