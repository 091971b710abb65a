#include "optimize/busy_cores.h"

#include <gtest/gtest.h>

#include <utility>

#include "optimize/busy_threads_for_test.h"

namespace punctual::optimize {
namespace {

TEST(BusyCoresTest, TheirThreadsLiveAsLongAsTheyDo) {
  {
    auto busy = BusyCores::Start(3);
    ASSERT_TRUE(busy.has_value()) << busy.error().message;
    EXPECT_EQ(test::BusyThreads(), 3);
    const BusyCores moved = std::move(busy).value();
    EXPECT_EQ(test::BusyThreads(), 3);
  }
  EXPECT_TRUE(test::BusyThreadsEnd());
}

TEST(BusyCoresTest, WhereThereAreNoOtherCoresThereAreNoThreads) {
  const auto busy = BusyCores::Start(0);
  EXPECT_TRUE(busy.has_value());
  EXPECT_EQ(test::BusyThreads(), 0);
}

}  // namespace
}  // namespace punctual::optimize
