#include "answer/popularity.h"

#include <gtest/gtest.h>

namespace punctual {
namespace {

TEST(PopularityTest, CountsWhatIsAskedAndForgets) {
  Popularity popularity;
  EXPECT_EQ(popularity.Of(7), 0u);
  for (std::uint32_t i = 1; i <= 100; ++i) EXPECT_EQ(popularity.Ask(7), i);
  EXPECT_EQ(popularity.Ask(8), 1u);
  popularity.Age();
  EXPECT_EQ(popularity.Of(7), 50u);
  EXPECT_EQ(popularity.Of(8), 0u);
  for (int i = 0; i < 6; ++i) popularity.Age();
  EXPECT_EQ(popularity.Of(7), 0u);
}

}  // namespace
}  // namespace punctual
