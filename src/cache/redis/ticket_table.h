// Operations under way, by ticket: a bounded table whose places are used again, so that what comes back late (a reply,
// a deadline) finds that its operation is over and not somebody else's. Allocates as it grows to its bound, never
// after. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "punctual/prediction.h"

namespace punctual::redis {

// What a reply belongs to. Travels through libvalkey in a pointer's 64 bits: kind, 24 bits of generation, 32 of place.
enum class Kind : std::uint8_t {
  kLookUp,
  kWrite,
  kAsking,
  kAuth,
  kReadOnly,
  kHello,
  kProbe,
  kPing,
  kSlots,
  kScan,
  kUnlink
};
using Ticket = std::uint64_t;
inline constexpr Ticket MakeTicket(Kind kind, std::uint64_t rest = 0) {
  return (static_cast<Ticket>(kind) << 56) | (rest & ((Ticket{1} << 56) - 1));
}
inline constexpr Kind KindOf(Ticket ticket) { return static_cast<Kind>(ticket >> 56); }

template <class T>
class TicketTable {
 public:
  TicketTable(Kind kind, std::size_t capacity) : kind_(kind), capacity_(capacity) {}

  // Null at the bound. The pointer is good until the next Take.
  T* Take(Ticket& ticket) {
    if (free_.empty()) {
      if (places_.size() == capacity_) return nullptr;
      free_.push_back(static_cast<std::uint32_t>(places_.size()));
      places_.emplace_back();
    }
    const std::uint32_t at = free_.back();
    free_.pop_back();
    Place& place = places_[at];
    place.used = true;
    ++size_;
    ticket = MakeTicket(kind_, (std::uint64_t{place.generation} << 32) | at);
    return &place.value;
  }
  // Null if that operation is over.
  T* Find(Ticket ticket) {
    const std::size_t at = ticket & 0xFFFFFFFF;
    if (at >= places_.size() || !places_[at].used || places_[at].generation != ((ticket >> 32) & 0xFFFFFF))
      return nullptr;
    return &places_[at].value;
  }
  // REQUIRES: Find(ticket).
  void Release(Ticket ticket) {
    const auto at = static_cast<std::uint32_t>(ticket & 0xFFFFFFFF);
    Place& place = places_[at];
    place.value = T{};
    place.used = false;
    place.generation = (place.generation + 1) & 0xFFFFFF;
    free_.push_back(at);
    --size_;
  }
  std::size_t size() const { return size_; }

 private:
  struct Place {
    T value{};
    std::uint32_t generation = 0;
    bool used = false;
  };
  const Kind kind_;
  const std::size_t capacity_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

// When each operation's time is up. Operations that end before stay until their time: cheaper than finding them.
class Deadlines {
 public:
  void Push(TimePoint when, Ticket ticket) {
    heap_.push_back({when, ticket});
    std::push_heap(heap_.begin(), heap_.end(), Later());
  }
  // The next ticket whose time is up at `now`; false: none.
  bool PopDue(TimePoint now, Ticket& ticket) {
    if (heap_.empty() || heap_.front().when > now) return false;
    ticket = heap_.front().ticket;
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    heap_.pop_back();
    return true;
  }
  // TimePoint::max(): none.
  TimePoint next() const { return heap_.empty() ? TimePoint::max() : heap_.front().when; }

 private:
  struct Entry {
    TimePoint when;
    Ticket ticket;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const { return a.when > b.when; }
  };
  std::vector<Entry> heap_;
};

}  // namespace punctual::redis
