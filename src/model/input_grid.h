// The approximate kind of shared answers: inputs in the same cell of a grid may share one, which is then marked.
// Immutable; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "punctual/result.h"
#include "tensor/tensor_spec.h"

namespace punctual {

class InputGrid {
 public:
  // `grid`: a cell's width, in the input's own units (where a manifest's features are normalised: in deviations); one
  // for all elements, or one for each place of the innermost dimension. kInvalidArgument: a width that is not a
  // positive finite number, another count of them than an input's columns, or an input that is not FP32.
  static Result<InputGrid> Make(std::vector<double> grid, std::span<const TensorSpec> inputs);

  std::size_t input_count() const { return elements_.size(); }
  // Bytes of all cells of input i: an int32 an element.
  std::size_t CodeBytes(std::size_t i) const { return elements_[i] * sizeof(std::int32_t); }
  // Writes floor(x / grid + 0.5) of each value, computed in double, as an int32 in the machine's byte order. False: a
  // value is beyond the last cell (2^31 of them on each side). Values out there may be any distance apart and share
  // nothing; `out` is of no use then. REQUIRES: finite values, as many as input i has; out.size() == CodeBytes(i).
  bool Encode(std::size_t i, std::span<const float> values, std::span<std::byte> out) const;

 private:
  InputGrid(std::vector<double> grid, std::vector<std::size_t> elements)
      : grid_(std::move(grid)), elements_(std::move(elements)) {}

  std::vector<double> grid_;
  std::vector<std::size_t> elements_;  // of each input
};

}  // namespace punctual
