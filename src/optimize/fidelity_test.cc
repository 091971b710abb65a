#include "optimize/fidelity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual::optimize {
namespace {

TEST(FidelityTest, OfClassesIsTheShareOfEqualOnes) {
  EXPECT_EQ(Fidelity({2, {0.9f, 0.1f, 0.2f, 0.8f}}, {2, {0.6f, 0.4f, 0.7f, 0.3f}}), 0.5);
}

TEST(FidelityTest, OfNumbersIsOneLessTheRelativeDifference) {
  EXPECT_DOUBLE_EQ(Fidelity({1, {0, 2, 4}}, {1, {0, 2, 5}}), 0.75);
  EXPECT_EQ(Fidelity({1, {3, 3}}, {1, {3, 3}}), 1);
  EXPECT_LT(Fidelity({1, {3, 3}}, {1, {3, 4}}), -1e299) << "the model never changes, and this is something else";
}

TEST(ThinnedTest, TakesFromTheFirstToTheLastEvenly) {
  const std::vector<std::size_t> indices = {2, 3, 5, 7, 11, 13};
  EXPECT_THAT(Thinned(indices, 3), testing::ElementsAre(2, 5, 11));
  EXPECT_EQ(Thinned(indices, 9), indices);
}

}  // namespace
}  // namespace punctual::optimize
