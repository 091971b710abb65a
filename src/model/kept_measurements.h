// A file of what was measured of models on CPUs: a line each, of a key, and names with microseconds:
//   0123456789abcdef0123456789abcdef native 2.134 openvino 5.3
// What cannot be read there is not there. Of many lines the newest are kept.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/digest.h"
#include "punctual/result.h"

namespace punctual {

using Measurements = std::map<std::string, double>;  // name -> microseconds

inline constexpr std::size_t kMostKeptMeasurements = 1000;

// Nothing: none of that key are kept. Thread-safe, as is Keep; processes may share a file.
std::optional<Measurements> FindKept(const std::string& path, const Digest& key);
// Makes the file's folder if needed, and follows links. While it writes it holds flock on the folder, so that of two
// processes that write at once both are kept; where that cannot be had within half a second, one may have to measure
// again. Errors begin with the path: it cannot be written, or is no such file (no file, or a larger one than these
// become), and stays as it is.
Result<void> Keep(const std::string& path, const Digest& key, const Measurements& measurements);

}  // namespace punctual
