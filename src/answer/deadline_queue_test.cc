#include "answer/deadline_queue.h"

#include <gtest/gtest.h>

#include <random>

namespace punctual {
namespace {

TimePoint At(std::int64_t ms) { return TimePoint(std::chrono::milliseconds(ms)); }

TEST(DeadlineQueueTest, KeepsTheOrderAndTheSumsThroughRandomChanges) {
  std::mt19937_64 random(1);
  DeadlineQueue queue;
  std::vector<DeadlineQueue::Entry> naive;  // in order
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    // Mostly as in life: deadlines that rise and leave at the front; now and then anything.
    const bool wild = random() % 4 == 0;
    if (naive.size() < 300 && random() % 2 == 0) {
      const auto ms = static_cast<std::int64_t>(wild ? random() % 1000 : i / 20);
      const DeadlineQueue::Entry entry{At(ms), i, Duration(1 + random() % 100), 1, static_cast<std::uint32_t>(i)};
      queue.Insert(entry);
      naive.insert(std::upper_bound(naive.begin(), naive.end(), entry, [](auto& a, auto& b) { return a.Before(b); }),
                   entry);
    } else if (!naive.empty()) {
      const std::size_t at = wild ? random() % naive.size() : 0;
      queue.Erase(naive[at]);
      naive.erase(naive.begin() + static_cast<std::ptrdiff_t>(at));
    }
    ASSERT_EQ(queue.size(), naive.size());
    ASSERT_EQ(queue.empty(), naive.empty());
    const TimePoint limit = At(static_cast<std::int64_t>(random() % 1000));
    Duration all{}, up_to{};
    for (std::size_t j = 0; j < naive.size(); ++j) {
      ASSERT_EQ(queue.entries()[j].place, naive[j].place);
      all += naive[j].expected;
      if (naive[j].deadline <= limit) up_to += naive[j].expected;
    }
    ASSERT_EQ(queue.work(), all);
    ASSERT_EQ(queue.WorkUpTo(limit), up_to);
  }
}

}  // namespace
}  // namespace punctual
