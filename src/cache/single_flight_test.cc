#include "cache/single_flight.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace punctual {
namespace {

CacheKey SomeKey() { return KeyMaker("secret").OfTensors(Digest{1, 2}, {}); }

CachedAnswer SomeAnswer() { return {Outputs(), {7, 8, 9}}; }

TEST(SingleFlightTest, TheFirstLeadsAndTheOthersWaitForItsAnswer) {
  SingleFlight flights;
  int called = 0;
  FlightLead lead = flights.JoinOrLead(SomeKey(), nullptr);
  ASSERT_TRUE(lead.leads());
  for (int i = 0; i < 3; ++i) {
    FlightLead follower = flights.JoinOrLead(SomeKey(), [&](const Result<CachedAnswer>& answer) {
      EXPECT_TRUE(answer.has_value());
      ++called;
    });
    EXPECT_FALSE(follower.leads());
  }
  EXPECT_EQ(called, 0);
  lead.Land(SomeAnswer());
  EXPECT_EQ(called, 3);
  EXPECT_TRUE(flights.JoinOrLead(SomeKey(), nullptr).leads());
}

TEST(SingleFlightTest, ALeadThatIsDroppedLandsWithAnError) {
  SingleFlight flights;
  int errors = 0;
  {
    FlightLead lead = flights.JoinOrLead(SomeKey(), nullptr);
    flights.JoinOrLead(SomeKey(), [&](const Result<CachedAnswer>& answer) { errors += answer.has_error(); });
    FlightLead moved = std::move(lead);
    EXPECT_EQ(errors, 0);
  }
  EXPECT_EQ(errors, 1);
}

TEST(SingleFlightTest, AWaiterMayAskAgainFromItsCallback) {
  SingleFlight flights;
  bool led_again = false;
  FlightLead lead = flights.JoinOrLead(SomeKey(), nullptr);
  flights.JoinOrLead(SomeKey(),
                     [&](const Result<CachedAnswer>&) { led_again = flights.JoinOrLead(SomeKey(), nullptr).leads(); });
  lead.Land(Fail(Code::kInternal, "failed"));
  EXPECT_TRUE(led_again);
}

TEST(SingleFlightTest, EveryAskerIsEitherLeaderOrTold) {
  SingleFlight flights;
  std::atomic<int> led = 0, told = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        FlightLead lead = flights.JoinOrLead(SomeKey(), [&](const Result<CachedAnswer>&) { ++told; });
        if (lead.leads()) {
          ++led;
          lead.Land(SomeAnswer());
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(led + told, 20000);
}

}  // namespace
}  // namespace punctual
