// Slice takes a box out of a value.
#include <algorithm>

#include "backend/native/operators/constant_ints.h"
#include "backend/native/operators/copy_step.h"
#include "backend/native/operators/layout.h"
#include "backend/native/operators/slice_ranges.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// What stands in attributes until opset 9, and in inputs since.
struct SliceNumbers {
  std::vector<std::int64_t> starts, ends, axes, steps;  // the last two may be empty: the first axes; steps of 1
};

SliceNumbers NumbersOf(const Node& node, const std::vector<Value>& values) {
  const auto numbers = [&](std::string_view attribute, std::size_t input) {
    if (const auto* ints = node.Ints(attribute); ints != nullptr) return *ints;
    const ValueId id = node.input(input);
    return id == kNoValue ? std::vector<std::int64_t>() : IntsOf(*values[id].constant);
  };
  return {numbers("starts", 1), numbers("ends", 2), numbers("axes", 3), numbers("steps", 4)};
}

// As ONNX counts: negative numbers from the end, and what is beyond the ends is cut. REQUIRES: step is not 0.
SliceRange RangeOf(std::size_t axis, std::int64_t start, std::int64_t end, std::int64_t step, std::int64_t size) {
  if (size == 0) return {.axis = axis};
  // A larger step takes one element as well, and does not overflow below.
  step = std::clamp(step, -size - 1, size + 1);
  const std::int64_t last = step > 0 ? size : size - 1;
  start = std::clamp<std::int64_t>(start < 0 ? start + size : start, 0, std::max<std::int64_t>(last, 0));
  end = std::clamp<std::int64_t>(end < 0 ? end + size : end, step > 0 ? 0 : -1, last);
  const std::int64_t distance = step > 0 ? end - start : start - end;
  const std::int64_t stride = step > 0 ? step : -step;
  return {axis, start, step, distance <= 0 ? 0 : (distance + stride - 1) / stride};
}

Result<void> CheckNumbers(const InferContext& context, const SliceNumbers& numbers, std::size_t rank) {
  const std::size_t count = numbers.starts.size();
  if (numbers.ends.size() != count || (!numbers.axes.empty() && numbers.axes.size() != count) ||
      (!numbers.steps.empty() && numbers.steps.size() != count) || count > rank)
    return context.Wrong("its starts, ends, axes and steps do not fit each other or its input");
  std::vector<bool> seen(rank);
  for (const std::int64_t axis : numbers.axes) {
    PUNCTUAL_ASSIGN(const std::size_t at, context.Axis(axis, rank));
    if (seen[at]) return context.Wrong("axis " + std::to_string(axis) + " is named twice");
    seen[at] = true;
  }
  if (std::ranges::count(numbers.steps, 0) != 0) return context.Wrong("has a step of 0");
  return {};
}

// By axis of `dims`, those too that the node does not name.
std::vector<SliceRange> WholeOrSliced(const Node& node, const std::vector<Value>& values, const Dims& dims) {
  std::vector<SliceRange> ranges;
  for (std::size_t axis = 0; axis < dims.size(); ++axis) ranges.push_back({axis, 0, 1, dims[axis]});
  for (const SliceRange& range : SliceRangesOf(node, values, dims)) ranges[range.axis] = range;
  return ranges;
}

}  // namespace

std::vector<SliceRange> SliceRangesOf(const Node& node, const std::vector<Value>& values, const Dims& dims) {
  const SliceNumbers numbers = NumbersOf(node, values);
  std::vector<SliceRange> ranges;
  for (std::size_t i = 0; i < numbers.starts.size(); ++i) {
    std::size_t axis = i;
    if (!numbers.axes.empty())
      axis = static_cast<std::size_t>(numbers.axes[i] < 0 ? numbers.axes[i] + std::ssize(dims) : numbers.axes[i]);
    const std::int64_t step = numbers.steps.empty() ? 1 : numbers.steps[i];
    ranges.push_back(RangeOf(axis, numbers.starts[i], numbers.ends[i], step, dims[axis]));
  }
  return ranges;
}

Result<void> InferSlice(InferContext& context) {
  PUNCTUAL_TRY(context.node().opset < 10 ? context.ExpectInputs(1, 1) : context.ExpectInputs(3, 5));
  for (std::size_t i = 1; i < context.input_count(); ++i)
    if (context.Has(i)) PUNCTUAL_TRY(context.ConstantInts(i));
  const Value& from = context.input(0);
  PUNCTUAL_TRY(CheckNumbers(context, NumbersOf(context.node(), context.values()), from.dims.size()));
  Dims dims;
  for (const SliceRange& range : WholeOrSliced(context.node(), context.values(), from.dims))
    dims.push_back(range.count);
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> LowerSlice(const Node& node, PlanBuilder& builder) {
  const Value& from = builder.value(node.inputs[0]);
  const Dims& box = builder.value(node.outputs[0]).dims;
  const auto strides = DenseStrides(from.dims);
  const auto ranges = WholeOrSliced(node, builder.graph().values, from.dims);
  Arrangement read;
  bool is_whole = true;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    read.strides.push_back(strides[i] * ranges[i].step);
    read.offset += strides[i] * ranges[i].start;
    is_whole = is_whole && ranges[i].count == from.dims[i] && (ranges[i].step == 1 || from.dims[i] == 1);
  }
  if (is_whole) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  std::vector<CopyStep::Part> parts;
  parts.push_back({builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]),
                   StridedCopy(SizeOf(from.type), box, read, {DenseStrides(box)})});
  builder.Add<CopyStep>(node, std::move(parts));
  return {};
}

}  // namespace punctual::native
