#include "backend/native/kernels/targets.h"

#include <gtest/gtest.h>

namespace punctual::native {
namespace {

TEST(TargetsTest, TheChosenTargetHasAName) { EXPECT_FALSE(TargetName().empty()); }

}  // namespace
}  // namespace punctual::native
