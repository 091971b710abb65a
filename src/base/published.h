// Published<T>: the newest version of a small value, published whole. Readers never wait for the writer, nor the writer
// for readers, and nobody frees what another still reads.
//
// How: a fixed row of slots, each with a count of the readers that are just copying from it. A reader counts itself in
// on the slot that is current, looks again whether it still is, copies, and counts itself out. The writer fills a slot
// that is not current and that nobody reads, then makes it current. A reader sits on at most one slot, so with more
// slots than reading threads there always is a free one; should there be none the writer yields until a copy,
// nanoseconds long, ends.
//
// Get: any thread. Set: one thread at a time (the owner's lock).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <thread>
#include <utility>

namespace punctual {

template <class T>
class Published {
 public:
  Published() = default;
  explicit Published(T value) { slots_[0].value = std::move(value); }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  T Get() const {
    for (;;) {
      const std::size_t at = current_.load();
      Slot& slot = slots_[at];
      slot.readers.fetch_add(1);
      // Sequential consistency on both sides: if the writer did not see our count, we see its newer current.
      if (current_.load() == at) {
        T copy = slot.value;
        slot.readers.fetch_sub(1);
        return copy;
      }
      slot.readers.fetch_sub(1);
    }
  }

  void Set(T value) {
    const std::size_t now = current_.load();
    for (std::size_t at = (now + 1) % kSlots;; at = (at + 1) % kSlots) {
      if (at == now) {
        std::this_thread::yield();
        continue;
      }
      if (slots_[at].readers.load() != 0) continue;
      slots_[at].value = std::move(value);
      current_.store(at);
      // What was current is let go at once, unless someone is just copying it: then when its slot is next used.
      if (slots_[now].readers.load() == 0) slots_[now].value = T{};
      return;
    }
  }

 private:
  static constexpr std::size_t kSlots = 32;
  struct alignas(64) Slot {
    std::atomic<int> readers = 0;
    T value{};
  };
  mutable std::array<Slot, kSlots> slots_;
  alignas(64) std::atomic<std::size_t> current_ = 0;
};

}  // namespace punctual
