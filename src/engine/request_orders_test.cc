// Two real requests that ask the same, in every order of what may happen to them: when the second one asks, what the
// worker does and when, what the inference comes to, who runs out of time or leaves, whose job is refused, dropped or
// displaced.
//
// The rung l3 is not among them: a look-up in Redis needs a server. ladder_test has it in every order, as a ladder.
#include <gmock/gmock.h>

#include <set>

#include "engine/simulated_order.h"

namespace punctual {
namespace {

using ::testing::IsSupersetOf;

class RequestOrdersTest : public ::testing::Test {
 protected:
  void TearDown() override { RecordProperty("orders_of_events", static_cast<int>(orders_)); }

  void Explore(const Scenario& scenario) {
    Choices choices;
    Models models = LoadModels(scenario);
    do {
      auto order = std::make_unique<SimulatedOrder>(basics_, scenario, models, choices, ++number_);
      order->Run();
      ++orders_;
      ends_.insert(order->End());
      if (!order->left_no_mark()) models = LoadModels(scenario);
      for (const std::string& fault : order->faults())
        ADD_FAILURE() << scenario.name << ": " << fault << "\n  " << order->path();
      if (!HasFailure()) continue;
      // One order tells enough. It is left as it is: what was not ended would end in the middle of its taking down.
      static_cast<void>(order.release());
      break;
    } while (choices.Next());
  }

  static Scenario WithBudgets(Scenario scenario, Duration first, Duration second) {
    scenario.first = first;
    scenario.second = second;
    scenario.name += first == second  ? ", equal times"
                     : first < second ? ", the first shorter"
                                      : ", the second shorter";
    if (first < second) scenario.first_tier = 0;
    if (second < first) scenario.second_tier = 0;
    return scenario;
  }
  void ExploreBudgets(const Scenario& scenario) {
    Explore(WithBudgets(scenario, kLongBudget, kLongBudget));
    Explore(WithBudgets(scenario, kShortBudget, kLongBudget));
    Explore(WithBudgets(scenario, kLongBudget, kShortBudget));
  }

  SimulatedBasics basics_;
  std::int64_t number_ = 0;
  std::size_t orders_ = 0;
  std::set<std::string> ends_;  // that there were
};

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhateverTheModelDoes) {
  ExploreBudgets({.name = "nothing below the model", .fails = true, .not_finite = true});
  ExploreBudgets({.name = "a signal", .signal = true, .fails = true});
  ExploreBudgets({.name = "stale and a signal", .stale = true, .signal = true, .fails = true});
  EXPECT_GT(orders_, 3'900u);
  EXPECT_THAT(ends_, IsSupersetOf({"model coalesced", "model l1", "none model", "none coalesced", "none none",
                                   "signal model", "stale coalesced", "model stale"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWithAStudent) {
  ExploreBudgets({.name = "a student", .student = true, .fails = true});
  ExploreBudgets({.name = "one that fails", .student = true, .stale = true, .student_fails = true});
  EXPECT_GT(orders_, 6'500u);
  EXPECT_THAT(ends_,
              IsSupersetOf({"student coalesced", "student model", "model student", "student student", "stale stale"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhereAllIsComparedWithTheStudent) {
  ExploreBudgets({.name = "compared", .student = true, .shadow = true, .student_fails = true});
  Explore({.name = "compared, inline", .student = true, .shadow = true, .runs_inline = true});
  Explore({.name = "compared, hangs", .student = true, .shadow = true, .hangs = true});
  EXPECT_GT(orders_, 10'000u);
  EXPECT_THAT(ends_, IsSupersetOf({"student coalesced", "student model", "model student", "student student"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhenTheInferenceHangs) {
  ExploreBudgets({.name = "hangs", .stale = true, .hangs = true});
  ExploreBudgets({.name = "hangs or fails", .signal = true, .fails = true, .hangs = true});
  ExploreBudgets({.name = "hangs, a student", .student = true, .hangs = true});
  EXPECT_GT(orders_, 4'300u);
  EXPECT_THAT(ends_,
              IsSupersetOf({"model coalesced", "stale model", "stale stale", "student student", "signal signal"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhenThePoolRefusesOrDropsThem) {
  ExploreBudgets({.name = "refused", .stale = true, .refused = true});
  ExploreBudgets({.name = "refused, a student", .student = true, .refused = true});
  ExploreBudgets({.name = "displaced", .signal = true, .displaced = true});
  ExploreBudgets({.name = "displaced, a student", .student = true, .displaced = true});
  EXPECT_GT(orders_, 6'400u);
  EXPECT_THAT(ends_, IsSupersetOf({"stale model", "model stale", "student model", "signal signal"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhenAskersLeave) {
  ExploreBudgets({.name = "leave", .stale = true, .leaves = true});
  Explore({.name = "leave, a student", .student = true, .leaves = true});
  EXPECT_GT(orders_, 14'600u);
  EXPECT_THAT(ends_, IsSupersetOf({"model coalesced", "stale coalesced", "stale model", "student coalesced"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceOnOtherLadders) {
  for (const char* ladder :
       {"\"coalesced\", \"model\", \"stale\"", "\"l1\", \"model\", \"stale\"", "\"model\", \"stale\""})
    ExploreBudgets({.name = ladder, .ladder = ladder, .stale = true, .fails = true, .displaced = true});
  EXPECT_GT(orders_, 5'100u);
  EXPECT_THAT(ends_, IsSupersetOf({"model coalesced", "model model", "stale model", "model stale"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhereTheModelRunsOnTheAskersThread) {
  ExploreBudgets({.name = "inline", .stale = true, .runs_inline = true, .fails = true, .not_finite = true});
  ExploreBudgets({.name = "inline, a student", .student = true, .runs_inline = true, .fails = true});
  EXPECT_GT(orders_, 100u);
  EXPECT_THAT(ends_, IsSupersetOf({"model coalesced", "model l1", "stale stale", "student student"}));
}

TEST_F(RequestOrdersTest, BothAreAnsweredOnceWhenEventsComeInTheMiddleOfTheirCalls) {
  Explore({.name = "in calls", .stale = true, .in_calls = 1});
  Explore({.name = "in calls; hangs", .stale = true, .hangs = true, .in_calls = 1});
  Explore({.name = "in calls; fails", .stale = true, .fails = true, .in_calls = 1});
  Explore({.name = "in calls; displaced", .displaced = true, .in_calls = 1});
  Explore({.name = "in calls; a student", .student = true, .in_calls = 1});
  EXPECT_GT(orders_, 18'000u);
  EXPECT_THAT(ends_, IsSupersetOf({"model coalesced", "stale coalesced", "none none", "student model"}));
}

}  // namespace
}  // namespace punctual
