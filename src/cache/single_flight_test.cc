#include "cache/single_flight.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace punctual {
namespace {

CacheKey SomeKey() { return KeyMaker("secret").OfTensors(Digest{1, 2}, {}); }

CachedAnswer SomeAnswer() { return {Outputs(), {7, 8, 9}}; }

struct Member : FlightMember {
  void OnLanded(const Result<CachedAnswer>& landed) override {
    ++(landed.has_value() ? answers : errors);
    if (on_landed) on_landed();
  }
  void OnFollowed(const FlightMember& follower) override {
    ++followed;
    last_follower = &follower;
  }
  std::atomic<int> answers = 0, errors = 0, followed = 0;
  std::atomic<const FlightMember*> last_follower = nullptr;
  std::function<void()> on_landed;
};

std::shared_ptr<Member> NewMember() { return std::make_shared<Member>(); }

TEST(SingleFlightTest, TheFirstLeadsAndTheOthersWaitForItsAnswer) {
  SingleFlight flights;
  const auto leader = NewMember(), follower = NewMember();
  FlightLead lead = flights.JoinOrLead(SomeKey(), leader);
  ASSERT_TRUE(lead.leads());
  EXPECT_EQ(flights.size(), 1u);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(flights.JoinOrLead(SomeKey(), follower).leads());
  EXPECT_EQ(follower->answers, 0);
  lead.Land(SomeAnswer());
  EXPECT_EQ(follower->answers, 3);
  EXPECT_EQ(leader->answers, 0);
  EXPECT_EQ(flights.size(), 0u);
  EXPECT_TRUE(flights.JoinOrLead(SomeKey(), NewMember()).leads());
}

TEST(SingleFlightTest, TheLeaderHearsWhoJoins) {
  SingleFlight flights;
  auto leader = NewMember();
  const auto follower = NewMember();
  const FlightLead lead = flights.JoinOrLead(SomeKey(), leader);
  flights.JoinOrLead(SomeKey(), follower);
  EXPECT_EQ(leader->followed, 1);
  EXPECT_EQ(leader->last_follower, follower.get());
  // One that is gone, while its lead is with somebody else, hears nothing.
  leader.reset();
  EXPECT_FALSE(flights.JoinOrLead(SomeKey(), follower).leads());
}

TEST(SingleFlightTest, ALeadThatIsDroppedLandsWithAnError) {
  SingleFlight flights;
  const auto follower = NewMember();
  {
    FlightLead lead = flights.JoinOrLead(SomeKey(), NewMember());
    flights.JoinOrLead(SomeKey(), follower);
    FlightLead moved = std::move(lead);
    EXPECT_EQ(follower->errors, 0);
  }
  EXPECT_EQ(follower->errors, 1);
}

TEST(SingleFlightTest, AFollowerMayAskAgainWhenItIsTold) {
  SingleFlight flights;
  bool led_again = false;
  const auto follower = NewMember();
  follower->on_landed = [&] { led_again = flights.JoinOrLead(SomeKey(), NewMember()).leads(); };
  FlightLead lead = flights.JoinOrLead(SomeKey(), NewMember());
  flights.JoinOrLead(SomeKey(), follower);
  lead.Land(Fail(Code::kInternal, "failed"));
  EXPECT_TRUE(led_again);
}

TEST(SingleFlightTest, EveryAskerIsEitherLeaderOrTold) {
  SingleFlight flights;
  std::atomic<int> led = 0;
  const auto member = NewMember();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        FlightLead lead = flights.JoinOrLead(SomeKey(), member);
        if (lead.leads()) {
          ++led;
          lead.Land(SomeAnswer());
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(led + member->answers, 20000);
  EXPECT_EQ(member->followed, member->answers);
}

}  // namespace
}  // namespace punctual
