#include "base/cpu_wait.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace punctual {
namespace {

TEST(CpuWaitTest, SumsWhatTheThreadsWaited) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "punctual_cpu_wait_test";
  std::filesystem::create_directories(folder / "1");
  std::filesystem::create_directories(folder / "2");
  std::filesystem::create_directories(folder / "3");
  std::ofstream(folder / "1" / "schedstat") << "500 70 3\n";
  std::ofstream(folder / "2" / "schedstat") << "900 5 1\n";
  EXPECT_EQ(CpuWait(folder), Duration(75));
  std::filesystem::remove_all(folder);
  EXPECT_EQ(CpuWait(folder), std::nullopt);
}

TEST(CpuWaitTest, NeverGoesBackForThreadsThatLive) {
  const auto before = CpuWait();
  if (!before) GTEST_SKIP() << "this system does not say";
  EXPECT_GE(*CpuWait(), *before);
}

}  // namespace
}  // namespace punctual
