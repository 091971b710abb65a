#include "base/epoch.h"

#include <pthread.h>

namespace punctual {

namespace epoch_internal {

constinit Epoch epoch;
constinit thread_local Slot* this_thread = nullptr;

namespace {

constinit std::atomic<Slot*> slots = nullptr;  // only grows
constinit thread_local bool ending = false;

// In a child made by fork: whoever else was reading does not exist here.
void ForgetOtherThreads() {
  for (Slot* slot = slots.load(); slot != nullptr; slot = slot->next) {
    if (slot == this_thread) continue;
    slot->entered.store(0);
    slot->taken.store(false);
  }
}

// Gives the thread's slot back when it ends. Other thread-local objects may be destroyed later and read once more: they
// find `this_thread` empty again, and take a slot for as long as the guard lives.
struct AtThreadEnd {
  AtThreadEnd() = default;
  AtThreadEnd(const AtThreadEnd&) = delete;
  AtThreadEnd& operator=(const AtThreadEnd&) = delete;
  ~AtThreadEnd() {
    ending = true;
    GiveBack(std::exchange(this_thread, nullptr));
  }
};

Slot* TakeAny() {
  for (Slot* slot = slots.load(); slot != nullptr; slot = slot->next)
    if (!slot->taken.load(std::memory_order_relaxed) && !slot->taken.exchange(true)) return slot;
  Slot* const slot = new Slot;
  slot->next = slots.load();
  while (!slots.compare_exchange_weak(slot->next, slot)) {
  }
  return slot;
}

}  // namespace

Slot* Take() {
  [[maybe_unused]] static const int forks = pthread_atfork(nullptr, nullptr, ForgetOtherThreads);
  Slot* const slot = TakeAny();
  if (!ending) {
    thread_local AtThreadEnd at_thread_end;
    this_thread = slot;
  }
  return slot;
}

void GiveBack(Slot* slot) { slot->taken.store(false); }

}  // namespace epoch_internal

bool TryAdvanceEpoch() {
  std::uint64_t now = epoch_internal::epoch.now.load();
  for (auto* slot = epoch_internal::slots.load(); slot != nullptr; slot = slot->next) {
    const std::uint64_t entered = slot->entered.load();
    if (entered != 0 && entered != now) return false;
  }
  // If this fails somebody else has taken the same step.
  epoch_internal::epoch.now.compare_exchange_strong(now, now + 1);
  return true;
}

std::size_t EpochSlotCount() {
  std::size_t count = 0;
  for (auto* slot = epoch_internal::slots.load(); slot != nullptr; slot = slot->next) ++count;
  return count;
}

}  // namespace punctual
