// Epoch-based reclamation (Fraser, "Practical lock-freedom", Cambridge 2004, section 5.2.3): readers walk linked
// structures without locks, and a writer that takes something out of one frees it when no reader can be at it any more.
//
//   reader:  EpochGuard guard;  load links, read what they lead to   // one store to the thread's own line
//   writer:  (holding its lock) unlink an object; limbo.Retire(object); then free what limbo.TakeFree() gives
//
// There is one epoch for the process, a number that grows. A guard writes the epoch it saw into its thread's slot. The
// epoch moves on from E only when every slot is either empty or at E. An object retired at R is freed at R + 2 or
// later.
//
// Why that is enough. All that is named here is sequentially consistent, so it happens in one order. Say a reader
// reaches an object. It wrote its slot before it loaded the link that led there, and that load was before the link was
// unlinked, which was before the writer read R. So the slot was written before R was read, with an epoch <= R. To get
// from R + 1 to R + 2 somebody looked at all slots after the epoch was R + 1, hence after R was read, hence saw this
// slot: either still with an epoch <= R, which forbids the step, or after the reader had left. A slot written with an
// epoch that is old by then only holds the steps up the more. (One step would not do: the slots may have been looked at
// for the step from R to R + 1 before the reader wrote its own.)
//
// What users owe:
//  1. Links that readers follow are loaded, and unlinked, with sequential consistency, and only under a guard.
//  2. An object is retired after it can no longer be reached from the structure's roots. Its own links stay as they
//     were, so that a reader that is at it can go on: what it leads to was linked when it was unlinked itself.
//  3. Nothing read under a guard is used after it, except copies. A guard is destroyed on the thread that made it,
//  soon:
//     nothing is freed meanwhile, by anybody.
//  4. A structure is destroyed when nobody reads it; what is in its limbo is freed with it.
//
// Any number of threads: a slot is given to a thread at its first guard, and to another one after it has ended; slots
// are never freed. After fork() the child has only the forking thread, and the slots of the others are emptied there.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace punctual {

namespace epoch_internal {

// Two lines each: processors fetch lines in pairs.
struct alignas(128) Slot {
  std::atomic<std::uint64_t> entered = 0;  // the epoch that its thread saw; 0: it reads nothing
  std::atomic<bool> taken = true;
  Slot* next = nullptr;  // set before the slot is published
};
struct alignas(128) Epoch {
  std::atomic<std::uint64_t> now = 1;
};
extern constinit Epoch epoch;
extern constinit thread_local Slot* this_thread;

// A slot for the calling thread, given back when it ends; while it ends, a slot for one guard.
Slot* Take();
void GiveBack(Slot* slot);

}  // namespace epoch_internal

// What is reached while one lives is not freed. May be nested.
class EpochGuard {
 public:
  EpochGuard()
      : slot_(epoch_internal::this_thread != nullptr ? epoch_internal::this_thread : epoch_internal::Take()),
        outermost_(slot_->entered.load(std::memory_order_relaxed) == 0) {
    if (outermost_) slot_->entered.store(epoch_internal::epoch.now.load());
  }
  ~EpochGuard() {
    if (!outermost_) return;
    slot_->entered.store(0, std::memory_order_release);
    if (epoch_internal::this_thread == nullptr) epoch_internal::GiveBack(slot_);
  }
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;

 private:
  epoch_internal::Slot* const slot_;
  const bool outermost_;
};

// The next epoch begins, if no reader is in an earlier one than this; false if one is. Thread-safe, does not wait;
// looks at every slot.
bool TryAdvanceEpoch();

// Slots made so far: the largest number of threads that read at the same time of their lives.
std::size_t EpochSlotCount();

// How an object waits to be freed; its member `retired`, which may share its place with what only linked objects need.
template <class T>
struct EpochRetired {
  T* next = nullptr;
  std::uint64_t epoch = 0;
};

// Retired objects, oldest first, which it owns. Belongs to the structure they were in. Not thread-safe: under the
// writers' lock. Destroyed when nobody reads the structure: frees all of them.
template <class T>
class EpochLimbo {
 public:
  EpochLimbo() = default;
  EpochLimbo(const EpochLimbo&) = delete;
  EpochLimbo& operator=(const EpochLimbo&) = delete;
  ~EpochLimbo() {
    while (oldest_ != nullptr) delete std::exchange(oldest_, oldest_->retired.next);
  }

  bool empty() const { return oldest_ == nullptr; }

  // Takes over an unlinked object.
  void Retire(T* object) {
    object->retired = {nullptr, epoch_internal::epoch.now.load()};
    (oldest_ == nullptr ? oldest_ : newest_->retired.next) = object;
    newest_ = object;
    // Looking at every slot is worth it for some objects at a time.
    if (++retired_ % kRetiredPerAdvance == 0) TryAdvanceEpoch();
  }

  // The oldest, if no reader can be at it any more: to be destroyed. Null if there is none such.
  std::unique_ptr<T> TakeFree() {
    if (oldest_ == nullptr || oldest_->retired.epoch + 2 > epoch_internal::epoch.now.load()) return nullptr;
    return std::unique_ptr<T>(std::exchange(oldest_, oldest_->retired.next));
  }

 private:
  static constexpr std::uint64_t kRetiredPerAdvance = 8;
  T* oldest_ = nullptr;
  T* newest_ = nullptr;  // valid unless empty
  std::uint64_t retired_ = 0;
};

}  // namespace punctual
