// What moves numbers: Transpose, Expand, Tile here; Concat, Split, Slice, Pad, Gather beside. None looks at the
// numbers: all types of a size are copied alike.
#include "backend/native/operators/layout.h"

#include <algorithm>
#include <numeric>

#include "backend/native/operators/copy_step.h"
#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// The permutation of a checked Transpose.
std::vector<std::size_t> PermutationOf(const Node& node, std::size_t rank) {
  std::vector<std::size_t> order(rank);
  std::iota(order.rbegin(), order.rend(), std::size_t{0});
  if (const auto* perm = node.Ints("perm"); perm != nullptr)
    std::ranges::transform(*perm, order.begin(), [](std::int64_t axis) { return static_cast<std::size_t>(axis); });
  return order;
}

void AddCopy(const Node& node, PlanBuilder& builder, const Dims& box, const Arrangement& from, const Arrangement& to) {
  std::vector<CopyStep::Part> parts;
  parts.push_back({builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]),
                   StridedCopy(SizeOf(builder.value(node.inputs[0]).type), box, from, to)});
  builder.Add<CopyStep>(node, std::move(parts));
}

}  // namespace

Result<void> InferTranspose(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  const Value& from = context.input(0);
  const std::size_t rank = from.dims.size();
  if (const auto* perm = context.node().Ints("perm"); perm != nullptr) {
    auto sorted = *perm;
    std::ranges::sort(sorted);
    std::vector<std::int64_t> all(rank);
    std::iota(all.begin(), all.end(), std::int64_t{0});
    if (sorted != all)
      return context.Wrong("perm " + ShapeText(*perm) + " does not order " + std::to_string(rank) + " dimensions");
  }
  Dims dims;
  for (const std::size_t axis : PermutationOf(context.node(), rank)) dims.push_back(from.dims[axis]);
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> LowerTranspose(const Node& node, PlanBuilder& builder) {
  const Dims& from = builder.value(node.inputs[0]).dims;
  const auto order = PermutationOf(node, from.size());
  // When only dimensions of one element change places, no number does.
  std::vector<std::size_t> moving;
  std::ranges::copy_if(order, std::back_inserter(moving), [&](std::size_t axis) { return from[axis] != 1; });
  if (std::ranges::is_sorted(moving)) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  const auto strides = DenseStrides(from);
  const Dims& to = builder.value(node.outputs[0]).dims;
  Arrangement read;
  for (const std::size_t axis : order) read.strides.push_back(strides[axis]);
  AddCopy(node, builder, to, read, {DenseStrides(to)});
  return {};
}

Result<void> InferExpand(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 2));
  PUNCTUAL_ASSIGN(const auto shape, context.ConstantInts(1));
  const Value& from = context.input(0);
  Dims dims;
  if (!Broadcast(from.dims, shape, dims))
    return context.Wrong("shape " + ShapeText(from.dims) + " does not expand to " + ShapeText(shape));
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> LowerExpand(const Node& node, PlanBuilder& builder) {
  const Dims& from = builder.value(node.inputs[0]).dims;
  const Dims& to = builder.value(node.outputs[0]).dims;
  if (CountOf(from) == CountOf(to)) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  auto strides = DenseStrides(from);
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i] == 1) strides[i] = 0;
  strides.insert(strides.begin(), to.size() - from.size(), 0);
  AddCopy(node, builder, to, {strides}, {DenseStrides(to)});
  return {};
}

Result<void> InferTile(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 2));
  PUNCTUAL_ASSIGN(const auto repeats, context.ConstantInts(1));
  const Value& from = context.input(0);
  if (repeats.size() != from.dims.size()) return context.Wrong("must have a number of repeats for each dimension");
  Dims dims = from.dims;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (repeats[i] < 0 || repeats[i] > (std::int64_t{1} << 31))
      return context.Wrong("cannot repeat " + std::to_string(repeats[i]) + " times");
    dims[i] *= repeats[i];
  }
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> LowerTile(const Node& node, PlanBuilder& builder) {
  const Dims& from = builder.value(node.inputs[0]).dims;
  const Dims& to = builder.value(node.outputs[0]).dims;
  if (from == to) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  // Each dimension as two: the repeat, which reads the same again, and the dimension.
  const auto read_strides = DenseStrides(from);
  const auto write_strides = DenseStrides(to);
  Dims box;
  Arrangement read, write;
  for (std::size_t i = 0; i < from.size(); ++i) {
    box.insert(box.end(), {from[i] == 0 ? 0 : to[i] / from[i], from[i]});
    read.strides.insert(read.strides.end(), {0, read_strides[i]});
    write.strides.insert(write.strides.end(), {write_strides[i] * from[i], write_strides[i]});
  }
  AddCopy(node, builder, box, read, write);
  return {};
}

namespace {

using enum AttributeKind;

// What later opsets made inputs is an attribute of old ones, and of them alone.
constexpr KnownAttribute kOfTranspose[] = {{"perm", kInts}};
constexpr KnownAttribute kAxis[] = {{"axis", kInt}};
constexpr KnownAttribute kOfSplitOfOld[] = {{"axis", kInt}, {"split", kInts}};
constexpr KnownAttribute kOfSplit[] = {{"axis", kInt}, {"num_outputs", kInt}};
constexpr KnownAttribute kOfSliceOfOld[] = {{"starts", kInts}, {"ends", kInts}, {"axes", kInts}};
constexpr KnownAttribute kOfPadOfOld[] = {{"mode", kString}, {"pads", kInts}, {"value", kFloat}};
constexpr KnownAttribute kOfPad[] = {{"mode", kString}};

constexpr Operator kOperators[] = {
    {"", "Transpose", 1, kLatest, InferTranspose, LowerTranspose, kOfTranspose},
    {"", "Expand", 8, kLatest, InferExpand, LowerExpand},
    {"", "Tile", 6, kLatest, InferTile, LowerTile},
    {"", "Concat", 4, kLatest, InferConcat, LowerConcat, kAxis},
    {"", "Split", 2, 12, InferSplit, LowerSplit, kOfSplitOfOld},
    {"", "Split", 13, kLatest, InferSplit, LowerSplit, kOfSplit},
    {"", "Slice", 1, 9, InferSlice, LowerSlice, kOfSliceOfOld},
    {"", "Slice", 10, kLatest, InferSlice, LowerSlice},
    {"", "Pad", 2, 10, InferPad, LowerPad, kOfPadOfOld},
    {"", "Pad", 11, kLatest, InferPad, LowerPad, kOfPad},
    {"", "Gather", 1, kLatest, InferGather, LowerGather, kAxis},
};

}  // namespace

std::span<const Operator> LayoutOperators() { return kOperators; }

}  // namespace punctual::native
