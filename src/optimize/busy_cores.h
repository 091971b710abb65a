// Work for the other cores, so that what is measured beside it has the machine as a server has it.
#pragma once

#include <thread>
#include <vector>

#include "punctual/result.h"

namespace punctual::optimize {

// Threads that compute and walk through memory of their own (4 MiB each), until this dies: then they have ended.
// Movable; not thread-safe.
class BusyCores {
 public:
  // On return all of them are at work; 0 threads are none. kResourceExhausted: the system allows no more of them.
  static Result<BusyCores> Start(int threads);

 private:
  std::vector<std::jthread> threads_;
};

}  // namespace punctual::optimize
