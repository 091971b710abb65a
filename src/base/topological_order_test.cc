#include "base/topological_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TopologicalOrderTest, KeepsToTheGivenOrderWhereItCan) {
  EXPECT_THAT(OrderOf({{}, {0}, {1, 0}}), ElementsAre(0, 1, 2));
  EXPECT_THAT(OrderOf({{2}, {}, {1, 1}}), ElementsAre(1, 2, 0));
  EXPECT_THAT(OrderOf({}), IsEmpty());
}

TEST(TopologicalOrderTest, LeavesOutCirclesAndWhatWaitsForThem) {
  EXPECT_THAT(OrderOf({{0}}), IsEmpty());
  EXPECT_THAT(OrderOf({{2}, {}, {3}, {2}, {1}}), ElementsAre(1, 4));
}

}  // namespace
}  // namespace punctual
