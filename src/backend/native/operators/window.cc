#include "backend/native/operators/window.h"

#include <algorithm>

#include "backend/native/kernels/dense.h"

namespace punctual::native {

namespace {

Error Wrong(const std::string& what) { return Fail(Code::kInvalidArgument, what); }

// An attribute with so many numbers of at least `least` each.
Result<Dims> NumbersOf(const Node& node, std::string_view name, std::size_t count, std::int64_t otherwise,
                       std::int64_t least) {
  const auto* const numbers = node.Ints(name);
  if (numbers == nullptr) return Dims(count, otherwise);
  if (numbers->size() != count)
    return Wrong(std::string(name) + " has " + std::to_string(numbers->size()) + " numbers, not " +
                 std::to_string(count));
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  for (const std::int64_t number : *numbers)
    if (number < least || number > kMost) return Wrong(std::string(name) + " has a " + std::to_string(number));
  return *numbers;
}

// What the kernel covers, holes and all.
std::int64_t Reach(const Window& window, std::size_t axis) {
  return (window.kernel[axis] - 1) * window.dilations[axis] + 1;
}

Result<void> Pad(const Node& node, Window& window) {
  const std::size_t rank = window.in.size();
  const std::string mode = node.String("auto_pad", "NOTSET");
  if (mode == "NOTSET") {
    PUNCTUAL_ASSIGN(const Dims pads, NumbersOf(node, "pads", 2 * rank, 0, 0));
    window.before.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
    window.after.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
    return {};
  }
  window.before.assign(rank, 0);
  window.after.assign(rank, 0);
  if (mode == "VALID") return {};
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") return Wrong("auto_pad is \"" + mode + "\"");
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const std::int64_t out = (window.in[axis] + window.strides[axis] - 1) / window.strides[axis];
    const std::int64_t pad =
        std::max<std::int64_t>(0, (out - 1) * window.strides[axis] + Reach(window, axis) - window.in[axis]);
    const std::int64_t less = pad / 2;
    window.before[axis] = mode == "SAME_UPPER" ? less : pad - less;
    window.after[axis] = pad - window.before[axis];
  }
  return {};
}

Result<std::int64_t> OutputSize(const Node& node, const Window& window, std::size_t axis) {
  const std::int64_t room = window.in[axis] + window.before[axis] + window.after[axis] - Reach(window, axis);
  if (room < 0)
    return Wrong("a kernel that reaches over " + std::to_string(Reach(window, axis)) + " does not fit into " +
                 std::to_string(window.in[axis]) + " with padding");
  const std::int64_t stride = window.strides[axis];
  if (node.Int("ceil_mode", 0) == 0) return room / stride + 1;
  const std::int64_t out = (room + stride - 1) / stride + 1;
  // No window begins in the padding at the end.
  return (out - 1) * stride >= window.in[axis] + window.before[axis] ? out - 1 : out;
}

Result<void> CheckPositions(const std::vector<std::int64_t>& positions, std::int64_t length) {
  for (std::size_t i = 0; i < positions.size(); ++i)
    if (positions[i] < (i == 0 ? 0 : positions[i - 1] + 1) || positions[i] >= length)
      return Wrong("positions are not ascending or beyond " + std::to_string(length));
  return {};
}

// Where a position of the whole stands among those that are there; -1: it is not.
std::vector<std::int64_t> Places(const std::vector<std::int64_t>& positions, std::int64_t length) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(length), -1);
  for (std::size_t i = 0; i < places.size() && positions.empty(); ++i) places[i] = static_cast<std::int64_t>(i);
  for (std::size_t i = 0; i < positions.size(); ++i)
    places[static_cast<std::size_t>(positions[i])] = static_cast<std::int64_t>(i);
  return places;
}

// For each output's position and each tap along an axis, the input's position: [tap][output]; outside of [0, in): in
// the padding.
std::vector<Dims> PositionsOf(const Window& window, std::size_t axis) {
  std::vector<Dims> all;
  const bool is_some = axis == 0 && !window.out_positions.empty();
  const Dims stored = window.StoredOut();
  for (std::int64_t tap = 0; tap < window.kernel[axis]; ++tap) {
    Dims& of_tap = all.emplace_back();
    for (std::int64_t i = 0; i < stored[axis]; ++i) {
      const std::int64_t out = is_some ? window.out_positions[static_cast<std::size_t>(i)] : i;
      of_tap.push_back(out * window.strides[axis] + tap * window.dilations[axis] - window.before[axis]);
    }
  }
  return all;
}

// One-dimensional windows as two-dimensional ones, whose second axis has one place.
Window InTwoAxes(Window window) {
  if (window.in.size() == 2) return window;
  for (Dims* const dims : {&window.in, &window.kernel, &window.strides, &window.dilations, &window.out})
    dims->push_back(1);
  window.before.push_back(0);
  window.after.push_back(0);
  return window;
}

bool Joins(const Window& window) {
  const std::size_t last = window.in.size() - 1;
  if (window.dilations[last] != 1 || window.before[last] != 0) return false;
  if (last == 0 && !window.in_positions.empty()) return false;
  return (window.out[last] - 1) * window.strides[last] + window.kernel[last] <= window.in[last];
}

// Whether the table keeps the promise of DenseInput::row_step.
bool HasStep(const WindowTable& table, std::int32_t step) {
  for (std::size_t t = 0; t < table.taps; ++t) {
    const std::int32_t* const offsets = table.offsets.data() + t * table.rows;
    std::size_t run = 1;  // rows in step that end here
    for (std::size_t r = 1; r < table.rows; ++r) {
      run = offsets[r - 1] >= 0 && offsets[r] - offsets[r - 1] == step ? run + 1 : 1;
      for (std::size_t back = run; back < kMostRowsAtOnce && back <= r; ++back)
        if (offsets[r - back] >= 0 && offsets[r] - offsets[r - back] == static_cast<std::int32_t>(back) * step)
          return false;
    }
  }
  return true;
}

}  // namespace

Dims SpatialOf(const Dims& dims, bool channels_last) {
  return {dims.begin() + (channels_last ? 1 : 2), dims.end() - (channels_last ? 1 : 0)};
}

Dims Window::StoredIn() const {
  Dims stored = in;
  if (!in_positions.empty()) stored[0] = static_cast<std::int64_t>(in_positions.size());
  return stored;
}

Dims Window::StoredOut() const {
  Dims stored = out;
  if (!out_positions.empty()) stored[0] = static_cast<std::int64_t>(out_positions.size());
  return stored;
}

Result<Window> WindowOf(const Node& node, Dims in, Dims kernel) {
  const std::size_t rank = in.size();
  if (rank < 1 || rank > 2)
    return Fail(Code::kFailedPrecondition,
                std::to_string(rank) + " spatial axes are not supported; supported: 1 and 2");
  if (kernel.size() != rank)
    return Wrong("a kernel of " + std::to_string(kernel.size()) + " axes on a value with " + std::to_string(rank));
  for (const std::int64_t size : kernel)
    if (size < 1) return Wrong("a kernel of size " + std::to_string(size));
  Window window;
  window.in = std::move(in);
  window.kernel = std::move(kernel);
  if (const auto* const positions = node.Ints("in_positions"); positions != nullptr) {
    if (static_cast<std::int64_t>(positions->size()) != window.in[0]) return Wrong("in_positions do not fit");
    window.in_positions = *positions;
    window.in[0] = node.Int("in_length", 0);
    PUNCTUAL_TRY(CheckPositions(window.in_positions, window.in[0]));
  }
  PUNCTUAL_ASSIGN(window.strides, NumbersOf(node, "strides", rank, 1, 1));
  PUNCTUAL_ASSIGN(window.dilations, NumbersOf(node, "dilations", rank, 1, 1));
  constexpr std::int64_t kMostReach = std::int64_t{1} << 40;
  for (std::size_t axis = 0; axis < rank; ++axis)
    if (window.kernel[axis] > kMostReach / window.dilations[axis]) return Wrong("a kernel that reaches too far");
  PUNCTUAL_TRY(Pad(node, window));
  for (std::size_t axis = 0; axis < rank; ++axis) {
    PUNCTUAL_ASSIGN(const std::int64_t size, OutputSize(node, window, axis));
    window.out.push_back(size);
  }
  if (const auto* const positions = node.Ints("out_positions"); positions != nullptr) {
    PUNCTUAL_TRY(CheckPositions(*positions, window.out[0]));
    window.out_positions = *positions;
  }
  return window;
}

bool IsBounded(const Window& window, std::int64_t batch) {
  constexpr double kMostEntries = 1 << 26;
  double entries = static_cast<double>(batch);
  for (const Dims& dims : {window.kernel, window.StoredOut()})
    for (const std::int64_t size : dims) entries *= static_cast<double>(size);
  return entries <= kMostEntries;
}

WindowTable TableOf(const Window& given, std::size_t batch, std::size_t channels, bool joins) {
  const bool is_joined = joins && Joins(given);
  Window window = given;
  WindowTable table;
  table.channels = channels;
  if (is_joined) {
    table.channels *= static_cast<std::size_t>(window.kernel.back());
    window.kernel.back() = 1;
  }
  window = InTwoAxes(std::move(window));
  const Dims in = window.StoredIn();
  const Dims out = window.StoredOut();
  const auto rows_of = PositionsOf(window, 0);
  const auto columns_of = PositionsOf(window, 1);
  const auto places = Places(window.in_positions, window.in[0]);
  table.taps = rows_of.size() * columns_of.size();
  table.rows = batch * CountOf(out);
  table.offsets.reserve(table.taps * table.rows);
  for (const Dims& rows : rows_of) {
    for (const Dims& columns : columns_of) {
      for (std::size_t n = 0; n < batch; ++n) {
        for (const std::int64_t y : rows) {
          const std::int64_t place = y < 0 || y >= window.in[0] ? -1 : places[static_cast<std::size_t>(y)];
          for (const std::int64_t x : columns) {
            const bool is_inside = place >= 0 && x >= 0 && x < window.in[1];
            const std::int64_t position = (static_cast<std::int64_t>(n) * in[0] + place) * in[1] + x;
            table.offsets.push_back(
                is_inside ? static_cast<std::int32_t>(position * static_cast<std::int64_t>(channels)) : -1);
          }
        }
      }
    }
  }
  // Along the last axis on which the output has several places.
  const std::int64_t places_apart = out[1] > 1 ? window.strides[1] : window.strides[0] * in[1];
  const std::int64_t step = places_apart * static_cast<std::int64_t>(channels);
  if (step < (1 << 24) && HasStep(table, static_cast<std::int32_t>(step)))
    table.row_step = static_cast<std::int32_t>(step);
  return table;
}

std::vector<float> CountsOf(const Window& given, std::size_t batch, bool includes_padding) {
  const Window window = InTwoAxes(given);
  std::vector<float> by_axis[2];
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const auto positions = PositionsOf(window, axis);
    by_axis[axis].assign(positions[0].size(), 0);
    const std::int64_t begin = includes_padding ? -window.before[axis] : 0;
    const std::int64_t end = window.in[axis] + (includes_padding ? window.after[axis] : 0);
    for (const Dims& of_tap : positions)
      for (std::size_t i = 0; i < of_tap.size(); ++i) by_axis[axis][i] += of_tap[i] >= begin && of_tap[i] < end ? 1 : 0;
  }
  std::vector<float> counts;
  for (std::size_t n = 0; n < batch; ++n)
    for (const float rows : by_axis[0])
      for (const float columns : by_axis[1]) counts.push_back(rows * columns);
  return counts;
}

}  // namespace punctual::native
