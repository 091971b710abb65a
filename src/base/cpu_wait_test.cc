#include "base/cpu_wait.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/threads.h"

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

TEST(CpuWatchTest, SaysWhatShareOfTheTimeAndTheCoresWasWaitedSinceTheLastCall) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "punctual_cpu_watch_test";
  std::filesystem::create_directories(folder / "1");
  const auto write = [&](int waited_ns) { std::ofstream(folder / "1" / "schedstat") << "500 " << waited_ns << " 3\n"; };
  CpuWatch watch(folder);
  const TimePoint start = TimePoint() + Duration(1000);
  write(100);
  EXPECT_EQ(watch.WaitingShare(start), 0) << "nothing to compare with";
  write(400);
  EXPECT_DOUBLE_EQ(watch.WaitingShare(start + Duration(1000)), 0.3 / UsableCores());
  write(50);
  EXPECT_EQ(watch.WaitingShare(start + Duration(2000)), 0) << "a thread that waited long has ended";
  std::filesystem::remove_all(folder);
  EXPECT_EQ(watch.WaitingShare(start + Duration(3000)), 0);
}

}  // namespace
}  // namespace punctual
