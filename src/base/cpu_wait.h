// How long this process's threads waited for a CPU although they had something to do: what it feels of a machine, or a
// quota, that is too small for all who want it.
#pragma once

#include <optional>
#include <string>

#include "punctual/prediction.h"

namespace punctual {

// Summed over the threads that live now, since each began; none if the system does not say (`tasks`, a directory as
// /proc/self/task, has no NUMBER/schedstat). Reads a file a thread: not for a path that is waited for.
std::optional<Duration> CpuWait(const std::string& tasks = "/proc/self/task");

}  // namespace punctual
