#include "backend/native/kernels/targets.h"

#include <bit>

#include <hwy/targets.h>

namespace punctual::native {

std::string TargetName() {
  // The lowest bit is the best target.
  const auto targets = hwy::SupportedTargets();
  return hwy::TargetName(targets & (~targets + 1));
}

}  // namespace punctual::native
