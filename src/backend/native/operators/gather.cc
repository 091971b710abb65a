// Gather: rows by number.
#include <algorithm>
#include <cstring>

#include "backend/native/operators/constant_ints.h"
#include "backend/native/operators/copy_step.h"
#include "backend/native/operators/layout.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// Numbers out of range cannot be an error in a run: they read the nearest row that there is.
template <class Index>
class GatherStep final : public Step {
 public:
  struct Sizes {
    std::size_t outer, rows, indices, row_bytes;
  };
  GatherStep(Operand from, Operand indices, Operand to, Sizes sizes)
      : from_(from), indices_(indices), to_(to), sizes_(sizes) {}
  void Run(std::byte* arena) const override {
    const std::byte* from = from_.In<std::byte>(arena);
    const Index* const indices = indices_.In<Index>(arena);
    std::byte* to = to_.Out<std::byte>(arena);
    const auto rows = static_cast<std::int64_t>(sizes_.rows);
    for (std::size_t outer = 0; outer < sizes_.outer; ++outer, from += sizes_.rows * sizes_.row_bytes)
      for (std::size_t i = 0; i < sizes_.indices; ++i, to += sizes_.row_bytes) {
        const std::int64_t index = indices[i];
        const std::int64_t row = std::clamp<std::int64_t>(index < 0 ? index + rows : index, 0, rows - 1);
        std::memcpy(to, from + static_cast<std::size_t>(row) * sizes_.row_bytes, sizes_.row_bytes);
      }
  }

 private:
  Operand from_, indices_, to_;
  Sizes sizes_;
};

std::size_t AxisOf(const Node& node, std::size_t rank) {
  const std::int64_t axis = node.Int("axis", 0);
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
}

}  // namespace

Result<void> InferGather(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 2));
  PUNCTUAL_TRY(context.ExpectType(1, {ElementType::kInt64, ElementType::kInt32}));
  const Value& from = context.input(0);
  const Value& indices = context.input(1);
  PUNCTUAL_ASSIGN(const std::size_t axis, context.Axis(context.node().Int("axis", 0), from.dims.size()));
  const std::int64_t rows = from.dims[axis];
  if (indices.constant != nullptr)
    for (const std::int64_t index : IntsOf(*indices.constant))
      if (index < -rows || index >= rows)
        return context.Wrong("index " + std::to_string(index) + " of " + std::to_string(rows) + " rows");
  if (rows == 0 && CountOf(indices.dims) != 0) return context.Wrong("there are no rows to take");
  Dims dims(from.dims.begin(), from.dims.begin() + static_cast<std::ptrdiff_t>(axis));
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), from.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1, from.dims.end());
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> LowerGather(const Node& node, PlanBuilder& builder) {
  const Value& from = builder.value(node.inputs[0]);
  const Value& indices = builder.value(node.inputs[1]);
  const std::size_t axis = AxisOf(node, from.dims.size());
  const auto at = from.dims.begin() + static_cast<std::ptrdiff_t>(axis);
  const Operand read = builder.OperandOf(node.inputs[0]);
  const Operand written = builder.OperandOf(node.outputs[0]);
  const std::size_t count = CountOf(indices.dims);
  // One row, as in x[:, -1, :]: a box.
  if (indices.constant != nullptr && count == 1) {
    const std::int64_t index = IntsOf(*indices.constant)[0];
    Dims box = from.dims;
    box[axis] = 1;
    const auto strides = DenseStrides(from.dims);
    const std::int64_t row = index < 0 ? index + *at : index;
    std::vector<CopyStep::Part> parts;
    parts.push_back(
        {read, written, StridedCopy(SizeOf(from.type), box, {strides, row * strides[axis]}, {DenseStrides(box)})});
    builder.Add<CopyStep>(node, std::move(parts));
    return {};
  }
  const std::size_t outer = CountOf(Dims(from.dims.begin(), at));
  const std::size_t row_bytes = CountOf(Dims(at + 1, from.dims.end())) * SizeOf(from.type);
  const auto rows = static_cast<std::size_t>(*at);
  const Operand numbers = builder.OperandOf(node.inputs[1]);
  if (indices.type == ElementType::kInt32)
    builder.Add<GatherStep<std::int32_t>>(node, read, numbers, written,
                                          GatherStep<std::int32_t>::Sizes{outer, rows, count, row_bytes});
  else
    builder.Add<GatherStep<std::int64_t>>(node, read, numbers, written,
                                          GatherStep<std::int64_t>::Sizes{outer, rows, count, row_bytes});
  return {};
}

}  // namespace punctual::native
