// How to go through arrays of different shapes together, as numpy broadcasts: dimensions of 1 are repeated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace punctual::native {

inline constexpr std::size_t kMostBroadcastRank = 8;

// The loops over kInputs arrays and an output that is written in order: neighbouring dimensions that all arrays treat
// alike are one loop, so that equal shapes are a single one, and a number for each channel are two. A value.
template <std::size_t kInputs>
class Broadcasting {
 public:
  // REQUIRES: the output's rank is at most kMostBroadcastRank, and each input broadcasts to it.
  Broadcasting(std::span<const std::int64_t> output, const std::array<std::span<const std::int64_t>, kInputs>& inputs) {
    std::array<std::size_t, kInputs> step;
    step.fill(1);
    // From the innermost outwards; a dimension of 1 of the output needs no loop.
    for (std::size_t i = 0; i < output.size(); ++i) {
      const auto size = static_cast<std::size_t>(output[output.size() - 1 - i]);
      is_empty_ = is_empty_ || size == 0;
      Loop loop{size, {}};
      for (std::size_t k = 0; k < kInputs; ++k) {
        const auto of_input = i < inputs[k].size() ? static_cast<std::size_t>(inputs[k][inputs[k].size() - 1 - i]) : 1;
        loop.steps[k] = of_input == 1 ? 0 : step[k];
        step[k] *= of_input;
      }
      if (size == 1) continue;
      if (count_ > 0 && Continues(loops_[count_ - 1], loop))
        loops_[count_ - 1].size *= size;
      else
        loops_[count_++] = loop;
    }
    if (count_ == 0) loops_[count_++] = {1, {}};
  }

  // Of the innermost loop: its length, and whether input k moves in it (by one) or stays.
  std::size_t run() const { return loops_[0].size; }
  bool moves(std::size_t k) const { return loops_[0].steps[k] != 0; }

  // Calls each(offsets of the inputs, offset of the output) for each run of the innermost loop, in the output's order.
  template <class Each>
  void ForEachRun(const Each& each) const {
    if (is_empty_) return;
    std::array<std::size_t, kMostBroadcastRank> at{};
    std::array<std::size_t, kInputs> offsets{};
    for (std::size_t output = 0;; output += run()) {
      each(offsets, output);
      std::size_t loop = 1;
      for (; loop < count_; ++loop) {
        const Loop& of = loops_[loop];
        for (std::size_t k = 0; k < kInputs; ++k) offsets[k] += of.steps[k];
        if (++at[loop] < of.size) break;
        at[loop] = 0;
        for (std::size_t k = 0; k < kInputs; ++k) offsets[k] -= of.steps[k] * of.size;
      }
      if (loop == count_) return;
    }
  }

 private:
  struct Loop {
    std::size_t size;
    std::array<std::size_t, kInputs> steps;  // of the inputs; 0: the dimension is repeated
  };
  // Every input goes on in `outer` where `inner` ends, or stays in both.
  static bool Continues(const Loop& inner, const Loop& outer) {
    for (std::size_t k = 0; k < kInputs; ++k)
      if (outer.steps[k] != inner.steps[k] * inner.size) return false;
    return true;
  }

  std::array<Loop, kMostBroadcastRank> loops_;
  std::size_t count_ = 0;
  bool is_empty_ = false;
};

}  // namespace punctual::native
