#include "backend/native/operators/quantized_layers.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/native/kernels/int8_gemm.h"
#include "backend/native/operators/window.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

enum Input : std::size_t { kX, kWeights, kBias, kFactor, kLast };

// By channel, as kernels want it.
template <class T>
Result<const T*> KeepByChannel(PlanBuilder& builder, ValueId id) {
  const auto values = builder.value(id).constant->values<T>();
  PUNCTUAL_ASSIGN(const auto kept, builder.KeepMany<T>(PaddedChannels(values.size())));
  std::copy(values.begin(), values.end(), kept.begin());
  return static_cast<const T*>(kept.data());
}

Result<Int8Weights> KeepWeights(PlanBuilder& builder, ValueId id, const Int8Shape& shape) {
  const auto weights = builder.value(id).constant->values<std::int8_t>();
  const std::size_t planes = Int8Planes(weights);
  PUNCTUAL_ASSIGN(std::byte* const packed, builder.Keep(PackedInt8Bytes(shape, planes)));
  return PackInt8(weights.data(), shape, planes, packed);
}

Result<Int8ToCodes> ToCodesOf(const Node& node, PlanBuilder& builder) {
  Int8ToCodes to;
  PUNCTUAL_ASSIGN(to.bias, KeepByChannel<std::int32_t>(builder, node.inputs[kBias]));
  PUNCTUAL_ASSIGN(to.multiplier, KeepByChannel<std::int32_t>(builder, node.inputs[kFactor]));
  if (node.input(kLast) != kNoValue) {
    PUNCTUAL_ASSIGN(to.negative, KeepByChannel<std::int32_t>(builder, node.inputs[kLast]));
  }
  to.shift = static_cast<int>(node.Int("shift", 1));
  to.zero_point = static_cast<std::int32_t>(node.Int("zero_point", 0));
  to.low = static_cast<std::int32_t>(node.Int("low", 0));
  to.high = static_cast<std::int32_t>(node.Int("high", 255));
  return to;
}

Result<Int8ToFloats> ToFloatsOf(const Node& node, PlanBuilder& builder) {
  Int8ToFloats to;
  PUNCTUAL_ASSIGN(to.bias, KeepByChannel<std::int32_t>(builder, node.inputs[kBias]));
  PUNCTUAL_ASSIGN(to.scale, KeepByChannel<float>(builder, node.inputs[kFactor]));
  if (node.input(kLast) != kNoValue) {
    PUNCTUAL_ASSIGN(to.offset, KeepByChannel<float>(builder, node.inputs[kLast]));
  }
  to.slope = node.Float("slope", to.slope);
  to.low = node.Float("low", to.low);
  to.high = node.Float("high", to.high);
  return to;
}

template <class To>
class QuantizedStep final : public Step {
 public:
  using Number = std::conditional_t<std::is_same_v<To, Int8ToCodes>, std::uint8_t, float>;
  // `rows` but for its base, which is where x stands.
  QuantizedStep(Operand x, Operand y, const Int8Rows& rows, const Int8Weights& weights, const To& to)
      : x_(x), y_(y), rows_(rows), weights_(weights), to_(to) {}
  void Run(std::byte* arena) const override {
    Int8Rows rows = rows_;
    rows.base = x_.In<std::uint8_t>(arena);
    Int8Gemm(weights_, rows, to_, y_.Out<Number>(arena), weights_.shape.channels);
  }

 private:
  Operand x_, y_;
  Int8Rows rows_;
  Int8Weights weights_;
  To to_;
};

Result<void> AddStep(const Node& node, PlanBuilder& builder, const Int8Rows& rows, const Int8Shape& shape) {
  PUNCTUAL_ASSIGN(const Int8Weights weights, KeepWeights(builder, node.inputs[kWeights], shape));
  const Operand x = builder.OperandOf(node.inputs[kX]), y = builder.OperandOf(node.outputs[0]);
  if (builder.value(node.inputs[kFactor]).type == ElementType::kInt32) {
    PUNCTUAL_ASSIGN(const Int8ToCodes to, ToCodesOf(node, builder));
    builder.Add<QuantizedStep<Int8ToCodes>>(node, x, y, rows, weights, to);
  } else {
    PUNCTUAL_ASSIGN(const Int8ToFloats to, ToFloatsOf(node, builder));
    builder.Add<QuantizedStep<Int8ToFloats>>(node, x, y, rows, weights, to);
  }
  return {};
}

Result<void> CheckOfPass(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(4, 5));
  PUNCTUAL_TRY(context.ExpectType(kX, {ElementType::kUint8}));
  PUNCTUAL_TRY(context.ExpectType(kWeights, {ElementType::kInt8}));
  PUNCTUAL_TRY(context.ExpectType(kBias, {ElementType::kInt32}));
  PUNCTUAL_TRY(context.ExpectType(kFactor, {ElementType::kInt32, ElementType::kFloat32}));
  if (context.Has(kLast)) PUNCTUAL_TRY(context.ExpectType(kLast, {context.input(kFactor).type}));
  for (std::size_t i = kWeights; i < context.input_count(); ++i)
    if (context.Has(i) && context.input(i).constant == nullptr)
      return context.Unsupported("input \"" + context.input(i).name + "\" must be a constant");
  const Dims channels = {context.input(kWeights).dims.at(0)};
  for (std::size_t i = kBias; i < context.input_count(); ++i)
    if (context.Has(i) && context.input(i).dims != channels)
      return context.Wrong("input \"" + context.input(i).name + "\" has not a number for each channel");
  return {};
}

ElementType OutputType(const InferContext& context) {
  return context.input(kFactor).type == ElementType::kInt32 ? ElementType::kUint8 : ElementType::kFloat32;
}

}  // namespace

Result<void> InferQuantizedGemm(InferContext& context) {
  PUNCTUAL_TRY(CheckOfPass(context));
  const Dims& weights = context.input(kWeights).dims;
  Dims dims = context.input(kX).dims;
  if (dims.empty() || weights.size() != 2 || dims.back() != weights[1])
    return context.Wrong("weights of shape " + ShapeText(weights) + " do not fit an input of shape " + ShapeText(dims));
  dims.back() = weights[0];
  return context.SetOutput(0, OutputType(context), std::move(dims));
}

Result<void> LowerQuantizedGemm(const Node& node, PlanBuilder& builder) {
  const Dims& of_weights = builder.value(node.inputs[kWeights]).dims;
  const Int8Shape shape{static_cast<std::size_t>(of_weights[0]), 1, static_cast<std::size_t>(of_weights[1])};
  Dims outer = builder.value(node.inputs[kX]).dims;
  outer.pop_back();
  return AddStep(node, builder, {nullptr, CountOf(outer), shape.depth, nullptr, nullptr}, shape);
}

namespace {

Result<Window> WindowOver(const Node& node, const Dims& x, const Dims& weights) {
  return WindowOf(node, SpatialOf(x, true), Dims(weights.begin() + 1, weights.end() - 1));
}

}  // namespace

Result<void> InferQuantizedConv(InferContext& context) {
  PUNCTUAL_TRY(CheckOfPass(context));
  const Dims& x = context.input(kX).dims;
  const Dims& weights = context.input(kWeights).dims;
  if (x.size() < 3 || x.size() > 4 || weights.size() != x.size() || weights.back() != x.back())
    return context.Wrong("weights of shape " + ShapeText(weights) + " do not fit an input of shape " + ShapeText(x));
  const auto window = WindowOver(context.node(), x, weights);
  if (window.has_error())
    return window.error().code == Code::kInvalidArgument ? context.Wrong(window.error().message)
                                                         : context.Unsupported(window.error().message);
  if (!IsBounded(window.value(), x[0])) return context.Unsupported("so many windows are not supported");
  Dims dims = window.value().StoredOut();
  dims.insert(dims.begin(), x[0]);
  dims.push_back(weights[0]);
  return context.SetOutput(0, OutputType(context), std::move(dims));
}

Result<void> LowerQuantizedConv(const Node& node, PlanBuilder& builder) {
  const Dims& x = builder.value(node.inputs[kX]).dims;
  const Dims& of_weights = builder.value(node.inputs[kWeights]).dims;
  PUNCTUAL_ASSIGN(const Window window, WindowOver(node, x, of_weights));
  const WindowTable table = TableOf(window, static_cast<std::size_t>(x[0]), static_cast<std::size_t>(x.back()), true);
  const Int8Shape shape{static_cast<std::size_t>(of_weights[0]), table.taps, table.channels};
  PUNCTUAL_ASSIGN(const auto offsets, builder.KeepMany<std::int32_t>(table.offsets.size()));
  for (std::size_t tap = 0; tap < table.taps; ++tap)
    for (std::size_t row = 0; row < table.rows; ++row)
      offsets[row * table.taps + tap] = table.offsets[tap * table.rows + row];
  PUNCTUAL_ASSIGN(const auto padding, builder.KeepMany<std::uint8_t>(shape.depth));
  std::fill(padding.begin(), padding.end(), static_cast<std::uint8_t>(node.Int("x_zero_point", 0)));
  return AddStep(node, builder, {nullptr, table.rows, 0, offsets.data(), padding.data()}, shape);
}

}  // namespace punctual::native
