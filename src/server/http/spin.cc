#include "server/http/spin.h"

#include <utility>

namespace punctual::http {

std::string WhyNoSpin(int io_threads, int cores, bool has_cpu_quota) {
  if (has_cpu_quota) return "the CPU quota is below the number of cores";
  if (io_threads > cores)
    return std::to_string(io_threads) + " I/O threads are more than " + std::to_string(cores) + " cores";
  return "";
}

bool Spin::ShouldLook(TimePoint now) {
  if (limit_ <= Duration::zero()) return false;
  const Duration since_last = now - std::exchange(last_, now);
  if (since_last > kQuiet * limit_ || now < not_before_) return false;
  if (share_ >= kWorthwhile) return true;
  skipped_ = (skipped_ + 1) % kTryEvery;
  return skipped_ == 0;
}

void Spin::Looked(bool found, TimePoint began, TimePoint ended) {
  share_ += ((found ? 1.0 : 0.0) - share_) / 8;
  if (ended - began > limit_ + kTaken) not_before_ = ended + kRest;
}

}  // namespace punctual::http
