#include "base/cpu_wait.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "base/threads.h"

namespace punctual {

std::optional<Duration> CpuWait(const std::string& tasks) {
  std::optional<Duration> sum;
  std::error_code error;
  for (std::filesystem::directory_iterator it(tasks, error), end; !error && it != end; it.increment(error)) {
    // "ns on a CPU, ns waiting for one, times it ran"; a thread may end meanwhile.
    std::ifstream file(it->path() / "schedstat");
    std::int64_t ran_ns = 0, waited_ns = 0;
    if (file >> ran_ns >> waited_ns) sum = sum.value_or(Duration::zero()) + Duration(waited_ns);
  }
  return sum;
}

double CpuWatch::WaitingShare(TimePoint now) {
  const std::optional<Duration> waited = CpuWait(tasks_);
  const TimePoint before = std::exchange(at_, now);
  const std::optional<Duration> waited_before = std::exchange(waited_, waited);
  // Threads that ended take what they waited along.
  if (!waited || !waited_before || *waited < *waited_before || now <= before) return 0;
  return std::chrono::duration<double>(*waited - *waited_before) / std::chrono::duration<double>(now - before) /
         UsableCores();
}

}  // namespace punctual
