// Concat and Split: each other's way back.
#include "backend/native/operators/constant_ints.h"
#include "backend/native/operators/copy_step.h"
#include "backend/native/operators/layout.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// The axis of a checked node.
std::size_t AxisOf(const Node& node, std::size_t rank) {
  const std::int64_t axis = node.Int("axis", 0);
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

// The sizes of the parts of an axis of that size: `given`, or equal ones, of which the last may be smaller or below
// zero. REQUIRES: outputs.
std::vector<std::int64_t> PartsOf(const Node& node, std::int64_t size, const Constant* given) {
  if (const auto* sizes = node.Ints("split"); sizes != nullptr) return *sizes;
  if (given != nullptr) return IntsOf(*given);
  const std::int64_t parts = std::ssize(node.outputs);
  const std::int64_t each = (size + parts - 1) / parts;
  std::vector<std::int64_t> sizes(node.outputs.size(), each);
  sizes.back() = size - each * (parts - 1);
  return sizes;
}

}  // namespace

Result<void> InferConcat(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, SIZE_MAX));
  if (!context.node().attributes.contains("axis")) return context.Wrong("has no axis");
  const Value& first = context.input(0);
  PUNCTUAL_ASSIGN(const std::size_t axis, context.Axis(context.node().Int("axis", 0), first.dims.size()));
  Dims dims = first.dims;
  dims[axis] = 0;
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    if (!context.Has(i)) return context.Wrong("input " + std::to_string(i) + " is missing");
    const Value& input = context.input(i);
    if (input.type != first.type) return context.Wrong("its inputs are not of one type");
    Dims others = input.dims;
    if (others.size() == dims.size()) others[axis] = dims[axis];
    if (others != dims)
      return context.Wrong("shapes " + ShapeText(first.dims) + " and " + ShapeText(input.dims) +
                           " cannot stand side by side along axis " + std::to_string(axis));
    dims[axis] += input.dims[axis];
  }
  return context.SetOutput(0, first.type, std::move(dims));
}

Result<void> LowerConcat(const Node& node, PlanBuilder& builder) {
  if (node.inputs.size() == 1) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  const Value& to = builder.value(node.outputs[0]);
  const std::size_t axis = AxisOf(node, to.dims.size());
  Arrangement write{DenseStrides(to.dims), 0};
  std::vector<CopyStep::Part> parts;
  for (const ValueId id : node.inputs) {
    const Dims& box = builder.value(id).dims;
    parts.push_back({builder.OperandOf(id), builder.OperandOf(node.outputs[0]),
                     StridedCopy(SizeOf(to.type), box, {DenseStrides(box)}, write)});
    write.offset += box[axis] * write.strides[axis];
  }
  builder.Add<CopyStep>(node, std::move(parts));
  return {};
}

Result<void> InferSplit(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, context.node().opset < 13 ? 1 : 2));
  const Value& from = context.input(0);
  PUNCTUAL_ASSIGN(const std::size_t axis, context.Axis(context.node().Int("axis", 0), from.dims.size()));
  if (context.Has(1)) PUNCTUAL_TRY(context.ConstantInts(1));
  const std::int64_t outputs = std::ssize(context.node().outputs);
  if (context.node().Int("num_outputs", outputs) != outputs) return context.Wrong("num_outputs is not how many it has");
  const auto sizes =
      PartsOf(context.node(), from.dims[axis], context.Has(1) ? context.input(1).constant.get() : nullptr);
  // Only since num_outputs may the last one be smaller.
  const bool may_differ = context.Has(1) || context.node().attributes.contains("split") ||
                          context.node().attributes.contains("num_outputs");
  if (!may_differ && sizes.back() != sizes.front())
    return context.Wrong("cannot split " + ShapeText(from.dims) + " into " + std::to_string(outputs) + " equal parts");
  std::int64_t left = from.dims[axis];
  bool fits = sizes.size() == context.output_count();
  for (const std::int64_t size : sizes) {
    fits = fits && size >= 0 && size <= left;
    if (fits) left -= size;
  }
  if (!fits || left != 0)
    return context.Wrong("parts of " + ShapeText(sizes) + " are not what its " +
                         std::to_string(context.output_count()) + " outputs and its input, " + ShapeText(from.dims) +
                         ", need");
  // `from` is a reference into the values, which SetOutput leaves where they are.
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Dims dims = from.dims;
    dims[axis] = sizes[i];
    PUNCTUAL_TRY(context.SetOutput(i, from.type, std::move(dims)));
  }
  return {};
}

Result<void> LowerSplit(const Node& node, PlanBuilder& builder) {
  const Value& from = builder.value(node.inputs[0]);
  const std::size_t axis = AxisOf(node, from.dims.size());
  Arrangement read{DenseStrides(from.dims), 0};
  const ValueId given = node.input(1);
  const auto sizes = PartsOf(node, from.dims[axis], given != kNoValue ? builder.value(given).constant.get() : nullptr);
  std::vector<CopyStep::Part> parts;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Dims box = from.dims;
    box[axis] = sizes[i];
    if (node.outputs[i] != kNoValue)
      parts.push_back({builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[i]),
                       StridedCopy(SizeOf(from.type), box, read, {DenseStrides(box)})});
    read.offset += sizes[i] * read.strides[axis];
  }
  builder.Add<CopyStep>(node, std::move(parts));
  return {};
}

}  // namespace punctual::native
