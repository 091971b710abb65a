// How long this process's threads waited for a CPU although they had something to do: what it feels of a machine, or a
// quota, that is too small for all who want it.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "punctual/prediction.h"

namespace punctual {

// Summed over the threads that live now, since each began; none if the system does not say (`tasks`, a directory as
// /proc/self/task, has no NUMBER/schedstat). Reads a file a thread: not for a path that is waited for.
std::optional<Duration> CpuWait(const std::string& tasks = "/proc/self/task");

// What the threads waited between one call and the next. For one thread.
class CpuWatch {
 public:
  // `tasks`: as of CpuWait.
  explicit CpuWatch(std::string tasks = "/proc/self/task") : tasks_(std::move(tasks)) {}

  // As a share of the time since the last call and of the cores there are; 0 at the first, and where the system does
  // not say.
  double WaitingShare(TimePoint now);

 private:
  const std::string tasks_;
  TimePoint at_{};
  std::optional<Duration> waited_;
};

}  // namespace punctual
