// The waiting jobs of one tier in the order of their deadlines, with the sum of their work.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "punctual/prediction.h"

namespace punctual {

// A sorted array, since deadlines come mostly in their order: inserting happens near the end, taking at the front, and
// sums over neighbours are quick. Not thread-safe.
class DeadlineQueue {
 public:
  struct Entry {
    TimePoint deadline;
    std::uint64_t order = 0;  // first come, first served among equal deadlines
    Duration expected{};
    std::uint32_t worth = 0;
    std::uint32_t place = 0;  // of the job

    bool Before(const Entry& other) const { return std::tie(deadline, order) < std::tie(other.deadline, other.order); }
  };

  bool empty() const { return begin_ == entries_.size(); }
  std::size_t size() const { return entries_.size() - begin_; }
  // Of all entries.
  Duration work() const { return work_; }
  // By deadline, then order. Valid until the next change.
  std::span<const Entry> entries() const { return std::span(entries_).subspan(begin_); }

  // The work of those whose deadline is not later.
  Duration WorkUpTo(TimePoint deadline) const {
    const auto all = entries();
    const auto end = std::upper_bound(all.begin(), all.end(), deadline,
                                      [](TimePoint wanted, const Entry& entry) { return wanted < entry.deadline; });
    const bool front_is_shorter = end - all.begin() < all.end() - end;
    Duration sum{};
    for (auto at = front_is_shorter ? all.begin() : end; at != (front_is_shorter ? end : all.end()); ++at)
      sum += at->expected;
    return front_is_shorter ? sum : work_ - sum;
  }

  void Insert(const Entry& entry) {
    // Room at the front is taken back before the array grows, and only when that moves less than was taken.
    if (entries_.size() == entries_.capacity() && 2 * begin_ >= entries_.size()) {
      entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(begin_));
      begin_ = 0;
    }
    entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(LowerBound(entry)), entry);
    work_ += entry.expected;
  }
  // REQUIRES: `entry` is there; its deadline and order say which.
  void Erase(const Entry& entry) {
    const std::size_t at = LowerBound(entry);
    work_ -= entries_[at].expected;
    if (at == begin_)
      ++begin_;
    else
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
    if (begin_ == entries_.size()) {
      entries_.clear();
      begin_ = 0;
    }
  }

 private:
  std::size_t LowerBound(const Entry& entry) const {
    const auto at = std::lower_bound(entries_.begin() + static_cast<std::ptrdiff_t>(begin_), entries_.end(), entry,
                                     [](const Entry& a, const Entry& b) { return a.Before(b); });
    return static_cast<std::size_t>(at - entries_.begin());
  }

  std::vector<Entry> entries_;
  std::size_t begin_ = 0;  // entries before it were taken
  Duration work_{};
};

}  // namespace punctual
