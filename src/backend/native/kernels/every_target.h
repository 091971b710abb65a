// For tests: a kernel is compiled for several targets, of which only the best would run.
#pragma once

#include <hwy/targets.h>

#include <gtest/gtest.h>

namespace punctual::native::test {

// Calls `check` once for each target that was compiled and that this machine has, with kernels choosing that target.
template <class Check>
void OnEveryTarget(const Check& check) {
  hwy::SetSupportedTargetsForTest(0);
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    check();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace punctual::native::test
