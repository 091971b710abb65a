// The ladder: which rung is tried next, as a pure state machine. State and event and now in, action out; no thread, no
// clock, no socket, so tests can drive it through every order of events.
//
//   l1 ── l2 ── coalesced ── l3 ── model ── student ── stale ── signal          (the manifest's order; the default)
//
// A rung is tried; it answers, or has nothing (missed), or says that its answer is still coming (pending). Rungs that
// may take time (coalesced, l3, model) are waited for and begun only until leave-by, which is answer-by or, with a
// student below them, what the student takes before it. Then the ladder goes on below them: with the student, unless it
// is so late that the student would miss the deadline itself, and with the rungs that answer at once. A pending rung
// may be left behind before that (`l3`, when the slack becomes no more than what the model takes). Whatever answers
// first before the end is the answer, also a rung that was left behind; after the end nothing counts any more.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "punctual/prediction.h"

namespace punctual {

enum class LadderEvent : std::uint8_t {
  kStart,     // the request was admitted
  kAnswered,  // `rung` has an answer
  kMissed,    // `rung` has none and will have none
  kPending,   // `rung` was begun; kAnswered or kMissed of it comes later
  kMoveOn,    // `rung`, which is pending, is not waited for any longer: the next one is begun beside it
  kTimeUp,    // leave-by has come
};

enum class LadderStep : std::uint8_t {
  kNothing,  // the event changes nothing
  kTry,      // try `rung`, then say kAnswered, kMissed or kPending
  kWait,     // for the pending rung, at the latest until leave-by
  kAnswer,   // with what `rung` has; the end
  kGiveUp,   // no rung had an answer; the end
};

struct LadderAction {
  LadderStep step = LadderStep::kNothing;
  Source rung = Source::kModel;
  bool operator==(const LadderAction&) const = default;
};

// A value: copy it to look ahead. Not thread-safe.
struct LadderState {
  static constexpr std::size_t kMaxRungs = kSourceCount;
  std::array<Source, kMaxRungs> rungs{};
  std::uint8_t rung_count = 0;
  std::uint8_t at = 0;   // index of the rung being tried or waited for
  bool waiting = false;  // the rung at `at` is pending
  bool time_up = false;
  bool done = false;
  TimePoint leave_by{}, student_until{};
};

// REQUIRES: 1 to kMaxRungs different rungs; leave_by <= student_until, the last moment to begin the student at.
LadderState MakeLadder(std::span<const Source> rungs, TimePoint leave_by, TimePoint student_until);

// The one transition. Every path ends in exactly one kAnswer or kGiveUp, provided that each kTry is replied to and that
// kTimeUp comes for a ladder that waits.
LadderAction Advance(LadderState& state, LadderEvent event, Source rung, TimePoint now);

// True of rungs whose answer may come later than they are tried.
bool TakesTime(Source rung);

}  // namespace punctual
