#include "answer/brown_out.h"

namespace punctual {

bool BrownOut::Observe(TimePoint now, double waiting, Duration late) {
  const bool is_short = waiting > (short_ ? kEnough : kShort) || late > kLate;
  if (is_short != short_ || !begun_) {
    short_ = is_short;
    begun_ = true;
    changes_from_ = now;
    return false;
  }
  const auto level = static_cast<int>(this->level());
  const int next = short_ ? level + 1 : level - 1;
  if (now - changes_from_ < (short_ ? kRiseAfter : kFallAfter)) return false;
  changes_from_ = now;
  if (next < 0 || next > static_cast<int>(BrownOutLevel::kNoDiskWrites)) return false;
  level_.store(static_cast<BrownOutLevel>(next), std::memory_order_relaxed);
  return true;
}

}  // namespace punctual
