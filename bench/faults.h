// How a benchmark tells a server what its models shall suffer: a page of memory that both have mapped from one file,
// which bench/faults.py writes and bench/faulty_backend.cc reads before each inference.
#pragma once

#include <atomic>
#include <cstdint>

namespace punctual {

enum class Fault : std::uint32_t {
  kNone = 0,
  kSleep = 1,  // sleeps `amount` ms first
  kHang = 2,   // does not return while the page says kHang
  kNan = 3,    // the first output's first number is not a number
  kError = 4,  // the backend fails
  kTimes = 5,  // computes `amount` times
};

// Little-endian, 32 bytes. Whoever writes it writes `fault` last.
struct FaultPage {
  std::atomic<std::uint32_t> fault;
  std::atomic<std::uint32_t> amount;
  std::atomic<std::uint32_t> per_million;  // of the inferences suffer it, drawn by chance
  std::atomic<std::int32_t> left;          // inferences that may still suffer it; below 0: all may
  std::atomic<std::uint32_t> suffered;     // counted by the server
  std::uint32_t reserved[3];
};
static_assert(sizeof(FaultPage) == 32 && std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace punctual
