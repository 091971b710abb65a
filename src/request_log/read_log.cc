#include "request_log/read_log.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <utility>

#include "request_log/segment.h"

namespace punctual {

Result<LogReader> LogReader::Open(const std::string& folder) {
  std::vector<std::string> segments = request_log::SegmentsOf(folder);
  if (segments.empty()) return Fail(Code::kNotFound, folder + ": nothing of a request log is there");
  return LogReader(std::move(segments));
}

std::optional<LoggedRequest> LogReader::Next() {
  for (;;) {
    if (left_.empty()) {
      if (!OpenNextSegment()) return std::nullopt;
      continue;
    }
    std::uint32_t size = 0;
    std::uint64_t checksum = 0;
    if (left_.size() < request_log::kFrameBytes) {
      CutOff();
      continue;
    }
    std::memcpy(&size, left_.data(), sizeof size);
    std::memcpy(&checksum, left_.data() + sizeof size, sizeof checksum);
    left_.remove_prefix(request_log::kFrameBytes);
    if (size > left_.size()) {
      CutOff();
      continue;
    }
    const std::string_view record = left_.substr(0, size);
    left_.remove_prefix(size);
    if (request_log::Checksum(record) == checksum)
      if (auto request = DecodeRequest(std::as_bytes(std::span(record))); request.has_value()) return *request;
    // Sizes behind it may be anything.
    ++damaged_;
    left_ = {};
  }
}

// Of the newest, it may be being written.
void LogReader::CutOff() {
  if (next_segment_ < segments_.size()) ++damaged_;
  left_ = {};
}

bool LogReader::OpenNextSegment() {
  while (next_segment_ < segments_.size()) {
    std::ifstream file(segments_[next_segment_++], std::ios::binary | std::ios::ate);
    if (!file) continue;
    segment_.resize(std::min(request_log::kMostSegmentBytes, static_cast<std::size_t>(file.tellg())));
    file.seekg(0);
    file.read(segment_.data(), static_cast<std::streamsize>(segment_.size()));
    segment_.resize(static_cast<std::size_t>(file.gcount()));
    left_ = segment_;
    if (left_.starts_with(request_log::kMagic)) {
      left_.remove_prefix(request_log::kMagic.size());
      return true;
    }
    if (!left_.empty()) ++damaged_;
    left_ = {};
  }
  return false;
}

}  // namespace punctual
