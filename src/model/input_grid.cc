#include "model/input_grid.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

namespace punctual {

namespace {

constexpr double kLow = std::numeric_limits<std::int32_t>::min();
constexpr double kHigh = std::numeric_limits<std::int32_t>::max();

// REQUIRES: kLow <= cells <= kHigh.
std::int32_t FloorOf(double cells) {
  // Without a call: the conversion cuts towards zero.
  const std::int32_t cut = static_cast<std::int32_t>(cells);
  return cut - (static_cast<double>(cut) > cells ? 1 : 0);
}

}  // namespace

Result<InputGrid> InputGrid::Make(std::vector<double> grid, std::span<const TensorSpec> inputs) {
  if (grid.empty()) return Fail(Code::kInvalidArgument, "has no number");
  for (const double width : grid)
    if (!(width > 0) || !std::isfinite(width)) return Fail(Code::kInvalidArgument, "must be positive numbers");
  std::vector<std::size_t> elements;
  for (const TensorSpec& input : inputs) {
    if (input.dtype != DType::kFloat32) return Fail(Code::kInvalidArgument, "input \"" + input.name + "\" is not FP32");
    const std::size_t columns = input.shape.empty() ? 1 : static_cast<std::size_t>(input.shape.back());
    if (grid.size() != 1 && grid.size() != columns)
      return Fail(Code::kInvalidArgument, "has " + std::to_string(grid.size()) + " numbers, input \"" + input.name +
                                              "\" has " + std::to_string(columns) +
                                              " columns; give one number for all, or one a column");
    PUNCTUAL_ASSIGN(const std::size_t count, ElementCount(input.shape));
    elements.push_back(count);
  }
  return InputGrid(std::move(grid), std::move(elements));
}

bool InputGrid::Encode(std::size_t, std::span<const float> values, std::span<std::byte> out) const {
  bool all_have_cells = true;
  const auto write = [&](std::size_t i, double width) {
    const double cells = values[i] / width + 0.5;
    const double kept = std::min(std::max(cells, kLow), kHigh);
    all_have_cells = all_have_cells && kept == cells;
    const std::int32_t cell = FloorOf(kept);
    std::memcpy(out.data() + i * sizeof cell, &cell, sizeof cell);
  };
  if (grid_.size() == 1) {
    for (std::size_t i = 0; i < values.size(); ++i) write(i, grid_[0]);
  } else {
    for (std::size_t begin = 0; begin < values.size(); begin += grid_.size())
      for (std::size_t column = 0; column < grid_.size(); ++column) write(begin + column, grid_[column]);
  }
  return all_have_cells;
}

}  // namespace punctual
