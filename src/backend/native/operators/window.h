// The windows that convolutions and pools slide over the spatial axes of a value: what their attributes say, and the
// tables of offsets that the kernels follow (kernels/dense.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native {

// By spatial axis, one or two of them.
struct Window {
  Dims in;                                         // sizes of the input
  Dims kernel, strides, dilations, before, after;  // before, after: the padding
  Dims out;                                        // sizes of the output
  // Only some positions of the first axis are there or are asked for, ascending; empty: all. The sizes above are those
  // of the whole.
  std::vector<std::int64_t> in_positions, out_positions;

  // The sizes as they are stored.
  Dims StoredIn() const;
  Dims StoredOut() const;
};

// The spatial part of a value's sizes: [batch, channels, sizes...], or [batch, sizes..., channels].
Dims SpatialOf(const Dims& dims, bool channels_last);

// From the attributes strides, dilations, pads, auto_pad, ceil_mode, and those of the passes: in_positions, in_length,
// out_positions. `in`: sizes as they are stored. Errors say what is wrong, not where: kInvalidArgument, or
// kFailedPrecondition for more than two axes.
Result<Window> WindowOf(const Node& node, Dims in, Dims kernel);

// Whether its table is of a size that a plan may keep, for values that others bound. Files ask for any windows.
bool IsBounded(const Window& window, std::int64_t batch);

// Channels-last values, [batch, sizes..., channels].
struct WindowTable {
  std::size_t taps = 0, rows = 0;  // rows: places of the output, batch and all
  std::size_t channels = 0;        // of a tap
  // Where tap t of row r begins, in elements of the input: [t * rows + r]; -1: in the padding.
  std::vector<std::int32_t> offsets;
  std::int32_t row_step = 0;  // as in DenseInput
};

// REQUIRES: IsBounded. `joins`: taps that always stand side by side in memory may become one of more channels.
WindowTable TableOf(const Window& window, std::size_t batch, std::size_t channels, bool joins);

// For each row of the table, by how much the mean is divided.
std::vector<float> CountsOf(const Window& window, std::size_t batch, bool includes_padding);

}  // namespace punctual::native
