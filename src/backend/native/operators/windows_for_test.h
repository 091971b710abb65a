// For tests of convolutions and pools: windows by their definition, and values in both layouts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/native/graph/graph.h"
#include "backend/native/operators/operator_under_test.h"

namespace punctual::native::test {

struct WindowCase {
  Dims in, kernel;
  std::vector<std::int64_t> strides = {}, dilations = {}, pads = {};  // empty: left out
  std::string auto_pad = {};
  bool ceil_mode = false;

  native::Attributes Attributes() const;
  Dims Out() const;
  // For each place of the output, the place of the input under each tap; -1: in the padding, -2: beyond it.
  std::vector<std::vector<std::int64_t>> Windows() const;

 private:
  std::int64_t Stride(std::size_t axis) const { return strides.empty() ? 1 : strides[axis]; }
  std::int64_t Dilation(std::size_t axis) const { return dilations.empty() ? 1 : dilations[axis]; }
  std::int64_t Reach(std::size_t axis) const { return (kernel[axis] - 1) * Dilation(axis) + 1; }
  std::int64_t Before(std::size_t axis) const;
  std::int64_t After(std::size_t axis) const;
};

Given RandomNumbers(const Dims& dims);
// [batch, channels, places...] as [batch, places..., channels].
Given ChannelsLast(const Constant& value);
// The given positions of the second axis.
Given TakeSecondAxis(const Constant& value, const std::vector<std::int64_t>& positions);
void ExpectNear(const Constant& computed, const Dims& dims, const std::vector<double>& expected);
void ExpectSame(const Constant& computed, const Constant& expected);  // to the bit

}  // namespace punctual::native::test
