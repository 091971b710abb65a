#include "model/shadow_audit.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "model/difference.h"

namespace punctual {

ShadowAudit::ShadowAudit(const Options& options) : options_(options), sample_(options.audit_share, options.seed) {}

bool ShadowAudit::Record(const Outputs& given, const Outputs& recomputed) {
  const Difference difference = Compare(given, recomputed);
  const bool is_off = difference.largest > options_.tolerance;
  const bool differs = difference.argmax || is_off;
  MutexLock lock(mutex_);
  window_[stats_.audited % kWindow] = differs;
  ++stats_.audited;
  stats_.differed += differs;
  stats_.differed_argmax += difference.argmax;
  stats_.differed_value += is_off;
  const std::size_t seen = static_cast<std::size_t>(std::min<std::uint64_t>(stats_.audited, kWindow));
  stats_.share = static_cast<double>(window_.count()) / static_cast<double>(seen);
  if (stats_.tripped || seen < kFewest || !(stats_.share > options_.max_error_share)) return false;
  stats_.tripped = true;
  tripped_.store(true, std::memory_order_relaxed);
  return true;
}

ShadowAudit::Stats ShadowAudit::stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

std::string ShadowAudit::Summary() const {
  const Stats now = stats();
  std::ostringstream text;
  text << now.differed << " of " << now.audited << " differed (" << now.differed_argmax << " in argmax, "
       << now.differed_value << " in value), " << std::round(now.share * 1000) / 10 << " % of the last "
       << std::min<std::uint64_t>(now.audited, kWindow);
  return text.str();
}

}  // namespace punctual
