// Pad: puts a value into a larger one, with a number or with numbers of its own around it.
#include <algorithm>
#include <cstring>

#include "backend/native/operators/constant_ints.h"
#include "backend/native/operators/copy_step.h"
#include "backend/native/operators/layout.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

constexpr std::int64_t kMostPad = std::int64_t{1} << 40;  // limits of shapes are lower; sums of these do not overflow

// Room before and after, by axis; below 0: cut off.
struct Padding {
  std::vector<std::int64_t> before, after;
};

// REQUIRES: the pads are constant, of twice as many numbers as there are axes that they concern, which exist.
Padding PaddingOf(const Node& node, const std::vector<Value>& values, std::size_t rank) {
  const auto* attribute = node.Ints("pads");
  const auto pads = attribute != nullptr ? *attribute : IntsOf(*values[node.inputs[1]].constant);
  const auto axes = node.input(3) != kNoValue ? IntsOf(*values[node.inputs[3]].constant) : std::vector<std::int64_t>();
  Padding padding{std::vector<std::int64_t>(rank), std::vector<std::int64_t>(rank)};
  const std::size_t half = pads.size() / 2;
  const auto bounded = [](std::int64_t pad) { return std::clamp(pad, -kMostPad, kMostPad); };
  for (std::size_t i = 0; i < half; ++i) {
    std::size_t axis = i;
    if (node.input(3) != kNoValue)
      axis = static_cast<std::size_t>(axes[i] < 0 ? axes[i] + static_cast<std::int64_t>(rank) : axes[i]);
    padding.before[axis] = bounded(pads[i]);
    padding.after[axis] = bounded(pads[half + i]);
  }
  return padding;
}

// Fills a value with one number, then copies the box into it.
class PadStep final : public Step {
 public:
  PadStep(Operand from, Operand to, std::size_t count, std::vector<std::byte> fill, StridedCopy copy)
      : from_(from), to_(to), count_(count), fill_(std::move(fill)), copy_(std::move(copy)) {}
  void Run(std::byte* arena) const override {
    std::byte* const to = to_.Out<std::byte>(arena);
    switch (fill_.size()) {
      case 1: Fill<std::uint8_t>(to); break;
      case 4: Fill<std::uint32_t>(to); break;
      default: Fill<std::uint64_t>(to); break;
    }
    copy_.Run(from_.In<std::byte>(arena), to);
  }

 private:
  template <class T>
  void Fill(std::byte* to) const {
    T value;
    std::memcpy(&value, fill_.data(), sizeof(value));
    std::fill_n(reinterpret_cast<T*>(to), count_, value);
  }

  Operand from_, to_;
  std::size_t count_;
  std::vector<std::byte> fill_;  // an element
  StridedCopy copy_;
};

// Each element from where a table says.
template <class T>
class TableStep final : public Step {
 public:
  TableStep(Operand from, Operand to, std::span<const std::int32_t> table) : from_(from), to_(to), table_(table) {}
  void Run(std::byte* arena) const override {
    const T* const from = from_.In<T>(arena);
    T* const to = to_.Out<T>(arena);
    for (std::size_t i = 0; i < table_.size(); ++i) to[i] = from[table_[i]];
  }

 private:
  Operand from_, to_;
  std::span<const std::int32_t> table_;  // of the plan
};

// Where coordinate `at` of the input's axis, which may be outside of it, takes its number from. REQUIRES: size >= 1.
std::int64_t SourceOf(const std::string& mode, std::int64_t at, std::int64_t size) {
  if (mode == "wrap") return ((at % size) + size) % size;
  if (mode == "edge" || size == 1) return std::clamp<std::int64_t>(at, 0, size - 1);
  const std::int64_t period = 2 * (size - 1);  // reflect: the edge itself is not repeated
  const std::int64_t phase = ((at % period) + period) % period;
  return std::min(phase, period - phase);
}

Result<std::span<const std::int32_t>> TableOf(const std::string& mode, const Padding& padding, const Dims& from,
                                              const Dims& to, PlanBuilder& builder) {
  PUNCTUAL_ASSIGN(const auto table, builder.KeepMany<std::int32_t>(CountOf(to)));
  const auto strides = DenseStrides(from);
  for (std::size_t i = 0; i < table.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    std::int64_t source = 0;
    for (std::size_t axis = to.size(); axis-- > 0; rest /= to[axis])
      source += SourceOf(mode, rest % to[axis] - padding.before[axis], from[axis]) * strides[axis];
    table[i] = static_cast<std::int32_t>(source);
  }
  return std::span<const std::int32_t>(table);
}

Result<void> CheckPads(const InferContext& context) {
  const std::size_t rank = context.input(0).dims.size();
  const auto* attribute = context.node().Ints("pads");
  if (attribute == nullptr && !context.Has(1)) return context.Wrong("has no pads");
  std::size_t pads = attribute != nullptr ? attribute->size() : 0;
  if (context.Has(1)) {
    PUNCTUAL_ASSIGN(const auto given, context.ConstantInts(1));
    if (attribute == nullptr) pads = given.size();
  }
  std::size_t axes = rank;
  if (context.Has(3)) {
    PUNCTUAL_ASSIGN(const auto named, context.ConstantInts(3));
    std::vector<bool> seen(rank);
    for (const std::int64_t axis : named) {
      PUNCTUAL_ASSIGN(const std::size_t at, context.Axis(axis, rank));
      if (seen[at]) return context.Wrong("axis " + std::to_string(axis) + " is named twice");
      seen[at] = true;
    }
    axes = named.size();
  }
  if (pads != 2 * axes) return context.Wrong("needs two pads for each dimension");
  return {};
}

}  // namespace

Result<void> InferPad(InferContext& context) {
  PUNCTUAL_TRY(context.node().opset < 11 ? context.ExpectInputs(1, 1) : context.ExpectInputs(2, 4));
  const std::string mode = context.node().String("mode", "constant");
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap")
    return context.Unsupported("mode \"" + mode + "\" is not supported");
  PUNCTUAL_TRY(CheckPads(context));
  const Value& from = context.input(0);
  if (context.Has(2)) {
    const Value& value = context.input(2);
    if (value.constant == nullptr) return context.Unsupported("its constant_value is only known when the model runs");
    if (value.type != from.type || value.constant->count() != 1)
      return context.Wrong("its constant_value must be one number of the input's type");
  }
  const Padding padding = PaddingOf(context.node(), context.values(), from.dims.size());
  Dims dims = from.dims;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    dims[i] += padding.before[i] + padding.after[i];
    if (mode == "constant" && (padding.before[i] < 0 || padding.after[i] < 0))
      return context.Unsupported("pads below 0 are not supported");
    if (mode != "constant" && from.dims[i] == 0 && dims[i] != 0)
      return context.Wrong("there is nothing in " + ShapeText(from.dims) + " that could be repeated");
  }
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> LowerPad(const Node& node, PlanBuilder& builder) {
  const Value& from = builder.value(node.inputs[0]);
  const Dims& to = builder.value(node.outputs[0]).dims;
  const Padding padding = PaddingOf(node, builder.graph().values, to.size());
  const auto is_zero = [](std::int64_t pad) { return pad == 0; };
  if (std::ranges::all_of(padding.before, is_zero) && std::ranges::all_of(padding.after, is_zero)) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  const Operand read = builder.OperandOf(node.inputs[0]);
  const Operand written = builder.OperandOf(node.outputs[0]);
  const std::size_t element_bytes = SizeOf(from.type);
  if (const std::string mode = node.String("mode", "constant"); mode != "constant") {
    PUNCTUAL_ASSIGN(const auto table, TableOf(mode, padding, from.dims, to, builder));
    switch (element_bytes) {
      case 1: builder.Add<TableStep<std::uint8_t>>(node, read, written, table); break;
      case 4: builder.Add<TableStep<std::uint32_t>>(node, read, written, table); break;
      default: builder.Add<TableStep<std::uint64_t>>(node, read, written, table); break;
    }
    return {};
  }
  Arrangement write{DenseStrides(to), 0};
  for (std::size_t i = 0; i < to.size(); ++i) write.offset += padding.before[i] * write.strides[i];
  std::vector<std::byte> fill(element_bytes);
  const float value = node.Float("value", 0);
  if (node.input(2) != kNoValue)
    std::memcpy(fill.data(), builder.value(node.inputs[2]).constant->bytes().data(), element_bytes);
  else if (from.type == ElementType::kFloat32)
    std::memcpy(fill.data(), &value, sizeof(value));
  else if (value != 0)
    return Fail(Code::kFailedPrecondition, "node \"" + node.name + "\" (Pad): its value must be 0 for this type");
  builder.Add<PadStep>(node, read, written, CountOf(to), std::move(fill),
                       StridedCopy(element_bytes, from.dims, {DenseStrides(from.dims)}, write));
  return {};
}

}  // namespace punctual::native
