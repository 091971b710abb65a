#include "request_log/segment.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>

namespace punctual::request_log {

std::uint64_t Checksum(std::string_view record) { return XXH3_64bits(record.data(), record.size()); }

std::vector<std::string> SegmentsOf(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> segments;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().filename().string().ends_with(kSuffix) && at->is_regular_file(error))
      segments.push_back(at->path().string());
  // Their names begin with as many digits each.
  std::ranges::sort(segments);
  return segments;
}

}  // namespace punctual::request_log
