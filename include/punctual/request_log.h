// The request log: a bounded sample, on disk, of what the models are asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace punctual {

struct RequestLogOptions {
  std::string directory;  // required; of one server alone, outside of its repository; made if not there
  double share = 0.01;    // of the questions, 0 to 1, that are kept
  std::size_t bytes = std::size_t{64} << 20;  // of each model, at least 1 MiB; beyond: the oldest go
};

struct RequestLogStats {
  std::string directory;  // its whole path
  double share = 0;
  std::uint64_t logged = 0;
  std::uint64_t dropped = 0;  // drawn, and left out: too many waited for the disk, or CPU was short
  std::uint64_t failed = 0;   // that the disk refused
  std::string last_error;     // of the disk; empty: none
};

}  // namespace punctual
