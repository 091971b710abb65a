// Recorded questions of one model, in the order of time: what a variant is made from, and what it is judged on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor_spec.h"

namespace punctual::optimize {

// Of `count` samples, all columns as long. A value; not thread-safe.
struct Samples {
  std::vector<TensorSpec> inputs;              // of the model
  std::vector<std::vector<std::byte>> values;  // of each input, the samples' bytes one after another, row-major
  std::vector<std::int64_t> time_ns;           // when each was known; where nobody says, 0, 1, 2, ...
  std::vector<std::uint32_t> symbol;           // of each: an index into `symbols`
  std::vector<std::uint64_t> snapshot;         // of each: the place of its newest snapshot among its symbol's, from 0
  std::vector<std::string> symbols;            // by name; one, "", where nobody says
  std::vector<std::int32_t> labels;            // of each, the class that was true; kNoLabel: not known. Or empty
  static constexpr std::int32_t kNoLabel = -1;

  std::size_t count() const { return time_ns.size(); }
  bool has_labels() const { return !labels.empty(); }
  // The bytes of sample i of an input.
  std::span<const std::byte> Of(std::size_t input, std::size_t i) const {
    const std::size_t bytes = values[input].size() / count();
    return {values[input].data() + i * bytes, bytes};
  }
};

// Indices of samples, ascending. Of each symbol, every one of `fit` is earlier than every one of `search`, and those
// than those of `held_out`; between them lies a gap, so that no two parts saw the same snapshots.
struct Parts {
  std::vector<std::size_t> fit;       // calibrated and trained on
  std::vector<std::size_t> search;    // chooses between what was made from `fit`
  std::vector<std::size_t> held_out;  // judges what was chosen, once
};

// What a model answered: for each of some samples, the numbers of one output. A value.
struct Answers {
  std::size_t width = 0;      // numbers of one sample
  std::vector<float> values;  // [samples][width]

  std::size_t count() const { return width == 0 ? 0 : values.size() / width; }
  std::span<const float> operator[](std::size_t i) const { return {values.data() + i * width, width}; }
};

}  // namespace punctual::optimize
