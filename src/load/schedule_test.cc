#include "load/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

namespace punctual::load {
namespace {

std::vector<std::uint32_t> Slots(std::uint32_t count) {
  std::vector<std::uint32_t> slots(count);
  std::iota(slots.begin(), slots.end(), 0u);
  return slots;
}

TEST(ZipfSamplerTest, SharesFollowTheLaw) {
  const ZipfSampler sampler(50, 0.8);
  std::mt19937_64 random(1);
  constexpr int kDraws = 400'000;
  std::vector<int> counts(50);
  for (int i = 0; i < kDraws; ++i) ++counts[sampler.Draw(UnitInterval(random()))];
  double sum = 0;
  for (int i = 1; i <= 50; ++i) sum += std::pow(i, -0.8);
  for (const int rank : {1, 2, 10, 50}) {
    const double expected = kDraws * std::pow(rank, -0.8) / sum;
    EXPECT_NEAR(counts[static_cast<std::size_t>(rank - 1)], expected, 5 * std::sqrt(expected)) << rank;
  }
}

TEST(ZipfSamplerTest, ExponentZeroIsUniformAndEveryDrawIsInRange) {
  const ZipfSampler sampler(4, 0);
  EXPECT_EQ(sampler.Draw(0), 0u);
  EXPECT_EQ(sampler.Draw(0.26), 1u);
  EXPECT_EQ(sampler.Draw(0.74), 2u);
  EXPECT_EQ(sampler.Draw(std::nextafter(1.0, 0.0)), 3u);
}

TEST(ScheduleTest, PoissonGapsHaveTheRateAndItsSpread) {
  Schedule schedule(1000, Arrivals::kPoisson, 0, Slots(10), ZipfSampler(3, 0.8), 7);
  constexpr int kCount = 200'000;
  double before = 0, sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double at = static_cast<double>(schedule.Next().due.count()) / 1e9;
    ASSERT_GE(at, before);
    sum += at - before;
    squares += (at - before) * (at - before);
    before = at;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1e-3, 1e-5);
  // An exponential distribution's deviation is its mean.
  EXPECT_NEAR(std::sqrt(squares / kCount - mean * mean), 1e-3, 3e-5);
}

TEST(ScheduleTest, FixedArrivalsAreEquallyFarApartAndTakeUsersInTurn) {
  Schedule schedule(500, Arrivals::kFixed, 0.5, {4, 9}, ZipfSampler(1, 0), 7);
  for (int i = 0; i < 1000; ++i) {
    const Arrival arrival = schedule.Next();
    EXPECT_NEAR(static_cast<double>(arrival.due.count()), (i + 0.5) * 2e6, 2);
    EXPECT_EQ(arrival.slot, i % 2 == 0 ? 4u : 9u);
  }
}

TEST(ScheduleTest, OneSeedIsOneSchedule) {
  const auto make = [](std::uint64_t seed) {
    return Schedule(100, Arrivals::kPoisson, 0, Slots(5), ZipfSampler(9, 1), seed);
  };
  Schedule a = make(3), b = make(3), c = make(4);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const Arrival x = a.Next(), y = b.Next(), z = c.Next();
    EXPECT_EQ(x.due, y.due);
    EXPECT_EQ(x.slot, y.slot);
    EXPECT_EQ(x.symbol, y.symbol);
    differs = differs || x.due != z.due;
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace punctual::load
