#include "answer/ladder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace punctual {
namespace {

using enum LadderEvent;
using enum LadderStep;

const TimePoint kBegin{std::chrono::seconds(100)};
const TimePoint kAnswerBy = kBegin + std::chrono::milliseconds(15);
const TimePoint kLeaveBy = kAnswerBy - std::chrono::microseconds(50);  // where there is a student
const TimePoint kTooLate = kAnswerBy + std::chrono::microseconds(1);   // for it
const std::vector<Source> kDefault = {Source::kL1, Source::kCoalesced, Source::kModel, Source::kStale, Source::kSignal};
const std::vector<Source> kWithRedis = {Source::kL1, Source::kL3, Source::kModel, Source::kStale};

TEST(LadderTest, ReadsTheRungsInOrderUntilOneAnswers) {
  LadderState state = MakeLadder(kDefault, kAnswerBy, kAnswerBy);
  EXPECT_EQ(Advance(state, kStart, {}, kBegin), (LadderAction{kTry, Source::kL1}));
  EXPECT_EQ(Advance(state, kMissed, Source::kL1, kBegin), (LadderAction{kTry, Source::kCoalesced}));
  EXPECT_EQ(Advance(state, kMissed, Source::kCoalesced, kBegin), (LadderAction{kTry, Source::kModel}));
  EXPECT_EQ(Advance(state, kPending, Source::kModel, kBegin), (LadderAction{kWait, Source::kModel}));
  EXPECT_EQ(Advance(state, kAnswered, Source::kModel, kBegin), (LadderAction{kAnswer, Source::kModel}));
}

TEST(LadderTest, WhenTheTimeIsUpItGoesBelowWhatTakesTime) {
  LadderState state = MakeLadder(kDefault, kAnswerBy, kAnswerBy);
  Advance(state, kStart, {}, kBegin);
  Advance(state, kMissed, Source::kL1, kBegin);
  EXPECT_EQ(Advance(state, kPending, Source::kCoalesced, kBegin), (LadderAction{kWait, Source::kCoalesced}));
  EXPECT_EQ(Advance(state, kTimeUp, {}, kAnswerBy), (LadderAction{kTry, Source::kStale}));
  EXPECT_EQ(Advance(state, kMissed, Source::kStale, kAnswerBy), (LadderAction{kTry, Source::kSignal}));
  EXPECT_EQ(Advance(state, kMissed, Source::kSignal, kAnswerBy), (LadderAction{kGiveUp, Source::kModel}));
}

TEST(LadderTest, ARungLeftBehindMayStillAnswerBeforeTheEnd) {
  LadderState state = MakeLadder(kDefault, kAnswerBy, kAnswerBy);
  Advance(state, kStart, {}, kBegin);
  Advance(state, kMissed, Source::kL1, kBegin);
  Advance(state, kMissed, Source::kCoalesced, kBegin);
  Advance(state, kPending, Source::kModel, kBegin);
  EXPECT_EQ(Advance(state, kTimeUp, {}, kAnswerBy), (LadderAction{kTry, Source::kStale}));
  EXPECT_EQ(Advance(state, kAnswered, Source::kModel, kAnswerBy), (LadderAction{kAnswer, Source::kModel}));
  EXPECT_EQ(Advance(state, kAnswered, Source::kStale, kAnswerBy), LadderAction{});
}

TEST(LadderTest, WhenSlackShrinksTheModelIsBegunBesideALookUpThatIsOut) {
  LadderState state = MakeLadder(kWithRedis, kAnswerBy, kAnswerBy);
  Advance(state, kStart, {}, kBegin);
  Advance(state, kMissed, Source::kL1, kBegin);
  EXPECT_EQ(Advance(state, kPending, Source::kL3, kBegin), (LadderAction{kWait, Source::kL3}));
  EXPECT_EQ(Advance(state, kMoveOn, Source::kL3, kBegin), (LadderAction{kTry, Source::kModel}));
  EXPECT_EQ(Advance(state, kMoveOn, Source::kL3, kBegin), LadderAction{});
  EXPECT_EQ(Advance(state, kPending, Source::kModel, kBegin), (LadderAction{kWait, Source::kModel}));
  EXPECT_EQ(Advance(state, kMissed, Source::kL3, kBegin), LadderAction{});
  LadderState other = state;
  EXPECT_EQ(Advance(state, kAnswered, Source::kL3, kBegin), (LadderAction{kAnswer, Source::kL3}));
  EXPECT_EQ(Advance(other, kAnswered, Source::kModel, kBegin), (LadderAction{kAnswer, Source::kModel}));
}

TEST(LadderTest, WhoArrivesTooLateIsAnsweredWithoutComputing) {
  LadderState state = MakeLadder(kDefault, kAnswerBy, kAnswerBy);
  EXPECT_EQ(Advance(state, kStart, {}, kAnswerBy), (LadderAction{kTry, Source::kL1}));
  EXPECT_EQ(Advance(state, kMissed, Source::kL1, kAnswerBy), (LadderAction{kTry, Source::kStale}));
}

TEST(LadderTest, AStudentIsBegunEarlyEnough) {
  const std::vector<Source> rungs = {Source::kL1, Source::kModel, Source::kStudent, Source::kStale};
  LadderState state = MakeLadder(rungs, kLeaveBy, kAnswerBy);
  Advance(state, kStart, {}, kBegin);
  Advance(state, kMissed, Source::kL1, kBegin);
  EXPECT_EQ(Advance(state, kPending, Source::kModel, kBegin), (LadderAction{kWait, Source::kModel}));
  LadderState late = state;
  EXPECT_EQ(Advance(state, kTimeUp, {}, kLeaveBy), (LadderAction{kTry, Source::kStudent}));
  LadderState beaten = state;
  EXPECT_EQ(Advance(state, kAnswered, Source::kStudent, kLeaveBy), (LadderAction{kAnswer, Source::kStudent}));
  // The model comes while the student computes: it is the better answer, and the first.
  EXPECT_EQ(Advance(beaten, kAnswered, Source::kModel, kLeaveBy), (LadderAction{kAnswer, Source::kModel}));
  EXPECT_EQ(Advance(beaten, kAnswered, Source::kStudent, kLeaveBy), LadderAction{});
  // A timer that calls too late leaves no time for it.
  EXPECT_EQ(Advance(late, kTimeUp, {}, kTooLate), (LadderAction{kTry, Source::kStale}));
}

TEST(LadderTest, AModelThatIsNotAdmittedLeavesItsTimeToTheStudent) {
  const std::vector<Source> rungs = {Source::kModel, Source::kStudent, Source::kStale};
  LadderState state = MakeLadder(rungs, kLeaveBy, kAnswerBy);
  Advance(state, kStart, {}, kBegin);
  EXPECT_EQ(Advance(state, kMissed, Source::kModel, kBegin), (LadderAction{kTry, Source::kStudent}));
  EXPECT_EQ(Advance(state, kMissed, Source::kStudent, kBegin), (LadderAction{kTry, Source::kStale}));
}

// Enumerates every order of events of every ladder. The world: the rung being tried reports in one of its possible
// ways, rungs that are pending answer or miss at any moment, leave-by and answer-by come at any moment, and the timer
// calls some time after leave-by.
class Enumeration {
 public:
  explicit Enumeration(std::vector<Source> rungs) : rungs_(std::move(rungs)) {}

  void Run() {
    World world;
    world.state = MakeLadder(rungs_, HasStudent() ? kLeaveBy : kAnswerBy, kAnswerBy);
    Step(world, kStart, Source::kModel, "start");
  }
  std::size_t ends() const { return ends_; }
  const std::set<std::string>& kinds_of_end() const { return kinds_; }

 private:
  struct World {
    LadderState state;
    std::vector<Source> tried, pending;
    Source trying = Source::kModel;
    bool is_trying = false;
    bool time_up = false;   // leave-by has come
    bool too_late = false;  // answer-by as well
    bool called = false;    // by the timer
    int answers = 0;
  };
  bool HasStudent() const { return std::find(rungs_.begin(), rungs_.end(), Source::kStudent) != rungs_.end(); }
  static TimePoint Now(const World& world) { return world.too_late ? kTooLate : world.time_up ? kLeaveBy : kBegin; }

  void Step(World world, LadderEvent event, Source rung, const std::string& path) {
    ASSERT_LT(path.size(), 1000u);
    const bool was_done = world.state.done;
    if (event != kTimeUp && event != kStart && world.is_trying && rung == world.trying) world.is_trying = false;
    if (event == kPending) world.pending.push_back(rung);
    if (event == kAnswered || event == kMissed) std::erase(world.pending, rung);
    if (event == kTimeUp) world.called = true;
    const LadderAction action = Advance(world.state, event, rung, Now(world));

    if (was_done) {
      ASSERT_EQ(action, LadderAction{}) << path;
    }
    switch (action.step) {
      case kNothing: break;
      case kTry:
        ASSERT_FALSE(world.is_trying) << path;
        ASSERT_TRUE(std::find(world.tried.begin(), world.tried.end(), action.rung) == world.tried.end()) << path;
        ASSERT_FALSE(world.time_up && TakesTime(action.rung)) << "begun too late: " << path;
        ASSERT_FALSE(world.too_late && action.rung == Source::kStudent) << "begun too late: " << path;
        world.tried.push_back(action.rung);
        world.trying = action.rung;
        world.is_trying = true;
        break;
      case kWait:
        ASSERT_FALSE(world.time_up) << path;
        ASSERT_TRUE(std::find(world.pending.begin(), world.pending.end(), action.rung) != world.pending.end()) << path;
        break;
      case kAnswer:
        ASSERT_EQ(event, kAnswered) << path;
        ASSERT_EQ(action.rung, rung) << path;
        ++world.answers;
        break;
      case kGiveUp:
        // Everything that could be tried was.
        for (const Source untried : rungs_)
          if (std::find(world.tried.begin(), world.tried.end(), untried) == world.tried.end()) {
            ASSERT_TRUE(world.time_up && (TakesTime(untried) || untried == Source::kStudent)) << path;
          }
        ++world.answers;
        break;
    }
    ASSERT_LE(world.answers, 1) << path;
    ASSERT_EQ(world.state.done, world.answers == 1) << path;
    Branch(world, path);
  }

  void Branch(const World& world, const std::string& path) {
    if (::testing::Test::HasFatalFailure()) return;
    bool moved = false;
    const auto go = [&](LadderEvent event, Source rung, const char* name) {
      moved = true;
      Step(world, event, rung, path + " " + name + ":" + std::string(SourceName(rung)));
    };
    if (world.is_trying) {
      go(kAnswered, world.trying, "answered");
      go(kMissed, world.trying, "missed");
      if (TakesTime(world.trying)) go(kPending, world.trying, "pending");
    }
    for (const Source rung : world.pending) {
      go(kAnswered, rung, "answered");
      go(kMissed, rung, "missed");
    }
    if (!world.state.done) {
      if (world.time_up && !world.called) go(kTimeUp, Source::kModel, "time-up");
      if (world.state.waiting && world.state.rungs[world.state.at] == Source::kL3) go(kMoveOn, Source::kL3, "move-on");
      // Nothing happens, but time passes. Without a student the two times are one.
      if (!world.too_late) {
        World then = world;
        then.too_late = world.time_up || !HasStudent();
        then.time_up = true;
        moved = true;
        Branch(then, path + (then.too_late ? " answer-by" : " leave-by"));
      }
    }
    if (!moved) {
      ASSERT_EQ(world.answers, 1) << "no end: " << path;
      ++ends_;
      kinds_.insert(path.substr(path.rfind(' ') + 1));
    }
  }

  const std::vector<Source> rungs_;
  std::size_t ends_ = 0;
  std::set<std::string> kinds_;
};

struct Enumerated {
  std::size_t ladders = 0, ends = 0;
};

// Of every subset of `all` that holds the model, in every order that has the student below the model.
Enumerated EnumerateLadders(const std::vector<Source>& all) {
  Enumerated sum;
  for (unsigned subset = 1; subset < 1u << all.size(); ++subset) {
    std::vector<Source> rungs;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (subset & (1u << i)) rungs.push_back(all[i]);
    const auto at = [&rungs](Source rung) { return std::find(rungs.begin(), rungs.end(), rung); };
    if (at(Source::kModel) == rungs.end()) continue;
    std::sort(rungs.begin(), rungs.end());
    do {
      if (at(Source::kStudent) < at(Source::kModel)) continue;
      Enumeration enumeration(rungs);
      enumeration.Run();
      if (::testing::Test::HasFatalFailure()) return sum;
      EXPECT_FALSE(enumeration.kinds_of_end().empty());
      sum.ends += enumeration.ends();
      ++sum.ladders;
    } while (std::next_permutation(rungs.begin(), rungs.end()));
  }
  return sum;
}

TEST(LadderTest, EveryOrderOfEventsOfEveryLadderEndsInExactlyOneAnswer) {
  const Enumerated without =
      EnumerateLadders({Source::kL1, Source::kCoalesced, Source::kL3, Source::kModel, Source::kStale, Source::kSignal});
  EXPECT_EQ(without.ladders, 1631u);
  EXPECT_GT(without.ends, 10'000u);
  RecordProperty("orders_of_events", static_cast<int>(without.ends));
}

TEST(LadderTest, AlsoOfThoseWithAStudent) {
  const Enumerated with = EnumerateLadders(
      {Source::kL1, Source::kCoalesced, Source::kL3, Source::kModel, Source::kStudent, Source::kStale});
  EXPECT_EQ(with.ladders, 946u);
  EXPECT_GT(with.ends, 10'000u);
  RecordProperty("orders_of_events", static_cast<int>(with.ends));
}

}  // namespace
}  // namespace punctual
