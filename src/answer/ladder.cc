#include "answer/ladder.h"

#include <algorithm>
#include <cassert>

namespace punctual {

namespace {

LadderAction End(LadderState& state, LadderStep step, Source rung = Source::kModel) {
  state.done = true;
  state.waiting = false;
  return {step, rung};
}

// Tries the first rung from `index` on that may still be begun.
LadderAction TryFrom(LadderState& state, std::size_t index, TimePoint now) {
  if (now >= state.leave_by) state.time_up = true;
  state.waiting = false;
  for (; index < state.rung_count; ++index) {
    if (state.time_up && TakesTime(state.rungs[index])) continue;
    if (now > state.student_until && state.rungs[index] == Source::kStudent) continue;
    state.at = static_cast<std::uint8_t>(index);
    return {LadderStep::kTry, state.rungs[index]};
  }
  return End(state, LadderStep::kGiveUp);
}

}  // namespace

bool TakesTime(Source rung) {
  switch (rung) {
    case Source::kL3:
    case Source::kCoalesced:
    case Source::kModel: return true;
    case Source::kL1:
    case Source::kL2:
    case Source::kSemantic:
    case Source::kStudent:
    case Source::kStale:
    case Source::kSignal: return false;
  }
  return false;
}

LadderState MakeLadder(std::span<const Source> rungs, TimePoint leave_by, TimePoint student_until) {
  assert(!rungs.empty() && rungs.size() <= LadderState::kMaxRungs);
  LadderState state;
  for (const Source rung : rungs) state.rungs[state.rung_count++] = rung;
  state.leave_by = leave_by;
  state.student_until = student_until;
  return state;
}

LadderAction Advance(LadderState& state, LadderEvent event, Source rung, TimePoint now) {
  if (state.done) return {};
  const bool current = rung == state.rungs[state.at];
  switch (event) {
    case LadderEvent::kStart: return TryFrom(state, 0, now);
    case LadderEvent::kAnswered:
      // Also of a rung that was left behind: it is higher on the ladder than where we are.
      return End(state, LadderStep::kAnswer, rung);
    case LadderEvent::kMissed:
      if (!current) return {};
      return TryFrom(state, state.at + 1u, now);
    case LadderEvent::kPending:
      if (!current) return {};
      if (now >= state.leave_by || state.time_up) return TryFrom(state, state.at + 1u, std::max(now, state.leave_by));
      state.waiting = true;
      return {LadderStep::kWait, rung};
    case LadderEvent::kMoveOn:
      if (!current || !state.waiting) return {};
      return TryFrom(state, state.at + 1u, now);
    case LadderEvent::kTimeUp:
      state.time_up = true;
      // A rung that is just being tried reports by itself; a pending one is left behind.
      if (!state.waiting) return {};
      return TryFrom(state, state.at + 1u, now);
  }
  return {};
}

}  // namespace punctual
