#include "answer/last_known_good.h"

#include <gtest/gtest.h>

namespace punctual {
namespace {

using std::chrono::seconds;

const TimePoint kNow{seconds(1000)};

KnownGood Good(std::uint64_t sequence, TimePoint arrived) {
  const float value = 1;
  return {Outputs(std::vector<NamedTensor>{{"y", Tensor::Float32({1}, {&value, 1})}}), nullptr, {sequence, 0}, arrived};
}

TEST(LastKnownGoodTest, KeepsTheNewestOfEachModelAndSymbol) {
  LastKnownGood known;
  known.Put("m", "A", Good(2, kNow - seconds(1)));
  known.Put("m", "A", Good(1, kNow - seconds(2)));
  known.Put("n", "A", Good(9, kNow - seconds(3)));
  EXPECT_EQ(known.Get("m", "A", seconds(5), kNow)->as_of.sequence, 2u);
  EXPECT_EQ(known.Get("n", "A", seconds(5), kNow)->as_of.sequence, 9u);
  EXPECT_FALSE(known.Get("m", "B", seconds(5), kNow).has_value());
}

TEST(LastKnownGoodTest, GivesNothingPastItsAge) {
  LastKnownGood known;
  known.Put("m", "A", Good(1, kNow - seconds(5)));
  EXPECT_TRUE(known.Get("m", "A", seconds(5), kNow).has_value());
  EXPECT_FALSE(known.Get("m", "A", seconds(5), kNow + Duration(1)).has_value());
}

TEST(LastKnownGoodTest, HoldsABoundedNumberOfSymbolsTheNewest) {
  LastKnownGood good(2);
  const TimePoint begin{};
  int kept = 0;
  for (int i = 0; i < 1000; ++i) good.Put("m", "S" + std::to_string(i), Good(1, begin + seconds(i)));
  for (int i = 0; i < 1000; ++i)
    kept += good.Get("m", "S" + std::to_string(i), std::chrono::hours(1), begin).has_value() ? 1 : 0;
  EXPECT_LE(kept, 32);
  EXPECT_TRUE(good.Get("m", "S999", std::chrono::hours(1), begin).has_value());
}

TEST(LastKnownGoodTest, ForgetsASymbolOfAllModels) {
  LastKnownGood known;
  known.Put("m", "A", Good(7, kNow));
  known.Put("n", "A", Good(7, kNow));
  known.Forget("A");
  EXPECT_FALSE(known.Get("m", "A", seconds(5), kNow).has_value());
  EXPECT_FALSE(known.Get("n", "A", seconds(5), kNow).has_value());
}

}  // namespace
}  // namespace punctual
