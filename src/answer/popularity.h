// How often a question was asked lately, about: what makes one answer worth more than another when not all can be
// computed. A table of counts by hash: two questions that share a cell are both taken for asked more often than they
// were, which costs a worse choice and never an answer.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace punctual {

// Ask and Of: any thread. Age: one thread at a time.
class Popularity {
 public:
  // Counts one asking; gives how many there were lately, this one included.
  std::uint32_t Ask(std::uint64_t hash) { return cells_[hash % kCells].fetch_add(1, std::memory_order_relaxed) + 1; }
  std::uint32_t Of(std::uint64_t hash) const { return cells_[hash % kCells].load(std::memory_order_relaxed); }
  // Halves all counts. Once a second.
  void Age() {
    for (std::atomic<std::uint32_t>& cell : cells_)
      if (const std::uint32_t count = cell.load(std::memory_order_relaxed); count != 0)
        cell.fetch_sub(count - count / 2, std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t kCells = 4096;
  std::array<std::atomic<std::uint32_t>, kCells> cells_{};
};

}  // namespace punctual
