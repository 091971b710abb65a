// The files of the request log: what writer and reader agree on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace punctual::request_log {

inline constexpr std::string_view kMagic{"PNCTREQ\x01", 8};
inline constexpr std::string_view kSuffix = ".requests";
inline constexpr std::size_t kFrameBytes = 4 + 8;                        // before each record: size, checksum
inline constexpr std::size_t kMostSegmentBytes = std::size_t{64} << 20;  // one is read at once

std::uint64_t Checksum(std::string_view record);
// The paths of a model's segments, the oldest first. Empty where there is no such folder.
std::vector<std::string> SegmentsOf(const std::string& folder);

}  // namespace punctual::request_log
