// BatchNormalization, InstanceNormalization, LayerNormalization.
#include <cmath>
#include <limits>

#include "backend/native/kernels/normalize.h"
#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// Inputs `first` to `last` are constants of a number for each channel.
Result<void> ExpectChannels(const InferContext& context, std::size_t first, std::size_t last, bool constant) {
  const Dims& dims = context.input(0).dims;
  if (dims.size() < 2) return context.Wrong("input of shape " + ShapeText(dims) + " has no channels");
  for (std::size_t i = first; i <= last; ++i) {
    PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
    const Value& value = context.input(i);
    if (value.dims != Dims{dims[1]})
      return context.Wrong("input \"" + value.name + "\" has shape " + ShapeText(value.dims) + ", it must be [" +
                           std::to_string(dims[1]) + "]");
    if (constant && value.constant == nullptr)
      return context.Unsupported("input \"" + value.name + "\" is only known when the model runs");
  }
  return {};
}

std::size_t InnerOf(const Dims& dims) { return CountOf({dims.begin() + 2, dims.end()}); }

// BatchNormalization.

Result<void> InferBatch(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(5, 5));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  const Node& node = context.node();
  if (node.Int("training_mode", 0) != 0 || (node.opset < 7 && node.Int("is_test", 0) == 0))
    return context.Unsupported("is in training mode; export the model for inference");
  if (node.Int("spatial", 1) != 1) return context.Unsupported("spatial = 0");
  for (std::size_t i = 1; i < context.output_count(); ++i)
    if (context.HasOutput(i)) return context.Unsupported("gives out running statistics, as training does");
  PUNCTUAL_TRY(ExpectChannels(context, 1, 4, true));
  return context.SetOutput(0, ElementType::kFloat32, context.input(0).dims);
}

class ScaleStep final : public Step {
 public:
  ScaleStep(Operand x, Operand y, std::size_t outer, std::size_t channels, std::size_t inner, const float* scale,
            const float* bias)
      : x_(x), y_(y), outer_(outer), channels_(channels), inner_(inner), scale_(scale), bias_(bias) {}
  void Run(std::byte* arena) const override {
    ScaleChannels(x_.In<float>(arena), y_.Out<float>(arena), outer_, channels_, inner_, scale_, bias_);
  }

 private:
  Operand x_, y_;
  std::size_t outer_, channels_, inner_;
  const float* scale_;
  const float* bias_;
};

Result<void> LowerBatch(const Node& node, PlanBuilder& builder) {
  const auto constant = [&](std::size_t i) { return builder.value(node.inputs[i]).constant->values<float>(); };
  const Dims& dims = builder.value(node.inputs[0]).dims;
  const auto channels = static_cast<std::size_t>(dims[1]);
  const auto epsilon = static_cast<double>(node.Float("epsilon", 1e-5f));
  PUNCTUAL_ASSIGN(const auto scale, builder.KeepMany<float>(channels));
  PUNCTUAL_ASSIGN(const auto bias, builder.KeepMany<float>(channels));
  for (std::size_t c = 0; c < channels; ++c) {
    const double factor =
        static_cast<double>(constant(1)[c]) / std::sqrt(static_cast<double>(constant(4)[c]) + epsilon);
    scale[c] = static_cast<float>(factor);
    bias[c] = static_cast<float>(static_cast<double>(constant(2)[c]) - static_cast<double>(constant(3)[c]) * factor);
  }
  builder.Add<ScaleStep>(node, builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]),
                         static_cast<std::size_t>(dims[0]), channels, InnerOf(dims), scale.data(), bias.data());
  return {};
}

// InstanceNormalization and LayerNormalization: by rows.

class RowsStep final : public Step {
 public:
  struct Operands {
    Operand x, y;
    Operand scale, bias, mean, inverse_deviation;
    bool has_bias = false, has_mean = false, has_inverse_deviation = false;
  };
  RowsStep(const RowNormalization& how, const Operands& operands) : how_(how), operands_(operands) {}
  void Run(std::byte* arena) const override {
    RowNormalization how = how_;
    how.scale = operands_.scale.In<float>(arena);
    if (operands_.has_bias) how.bias = operands_.bias.In<float>(arena);
    if (operands_.has_mean) how.mean = operands_.mean.Out<float>(arena);
    if (operands_.has_inverse_deviation) how.inverse_deviation = operands_.inverse_deviation.Out<float>(arena);
    NormalizeRows(how, operands_.x.In<float>(arena), operands_.y.Out<float>(arena));
  }

 private:
  RowNormalization how_;
  Operands operands_;
};

Result<void> InferInstance(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(3, 3));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  PUNCTUAL_TRY(ExpectChannels(context, 1, 2, false));
  return context.SetOutput(0, ElementType::kFloat32, context.input(0).dims);
}

Result<void> LowerInstance(const Node& node, PlanBuilder& builder) {
  const Dims& dims = builder.value(node.inputs[0]).dims;
  RowNormalization how;
  how.channels = static_cast<std::size_t>(dims[1]);
  how.rows = static_cast<std::size_t>(dims[0]) * how.channels;
  how.count = InnerOf(dims);
  how.epsilon = node.Float("epsilon", 1e-5f);
  how.by_row = true;
  RowsStep::Operands operands;
  operands.x = builder.OperandOf(node.inputs[0]);
  operands.scale = builder.OperandOf(node.inputs[1]);
  operands.bias = builder.OperandOf(node.inputs[2]);
  operands.has_bias = true;
  operands.y = builder.OperandOf(node.outputs[0]);
  builder.Add<RowsStep>(node, how, operands);
  return {};
}

Result<void> InferLayer(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 3));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  if (context.node().Int("stash_type", 1) != 1) return context.Unsupported("stash_type other than float");
  const Dims& dims = context.input(0).dims;
  PUNCTUAL_ASSIGN(const std::size_t axis, context.Axis(context.node().Int("axis", -1), dims.size()));
  const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
  for (std::size_t i = 1; i < context.input_count(); ++i) {
    if (!context.Has(i)) continue;
    PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
    if (context.input(i).dims != Dims(at, dims.end()))
      return context.Unsupported("input \"" + context.input(i).name + "\" of shape " +
                                 ShapeText(context.input(i).dims) + "; supported: " + ShapeText({at, dims.end()}));
  }
  Dims rows(dims.begin(), at);
  rows.resize(dims.size(), 1);
  PUNCTUAL_TRY(context.SetOutput(0, ElementType::kFloat32, dims));
  PUNCTUAL_TRY(context.SetOutput(1, ElementType::kFloat32, rows));
  return context.SetOutput(2, ElementType::kFloat32, std::move(rows));
}

Result<void> LowerLayer(const Node& node, PlanBuilder& builder) {
  const Dims& dims = builder.value(node.inputs[0]).dims;
  std::int64_t axis = node.Int("axis", -1);
  if (axis < 0) axis += static_cast<std::int64_t>(dims.size());
  RowNormalization how;
  how.rows = CountOf({dims.begin(), dims.begin() + axis});
  how.count = CountOf({dims.begin() + axis, dims.end()});
  how.epsilon = node.Float("epsilon", 1e-5f);
  RowsStep::Operands operands;
  operands.x = builder.OperandOf(node.inputs[0]);
  operands.scale = builder.OperandOf(node.inputs[1]);
  const auto optional = [&](ValueId id, Operand& operand) {
    if (id != kNoValue) operand = builder.OperandOf(id);
    return id != kNoValue;
  };
  operands.has_bias = optional(node.input(2), operands.bias);
  operands.y = builder.OperandOf(node.outputs[0]);
  operands.has_mean = optional(node.output(1), operands.mean);
  operands.has_inverse_deviation = optional(node.output(2), operands.inverse_deviation);
  builder.Add<RowsStep>(node, how, operands);
  return {};
}

using enum AttributeKind;

constexpr KnownAttribute kOfBatch[] = {
    {"epsilon", kFloat}, {"momentum", kFloat}, {"is_test", kInt}, {"spatial", kInt}, {"training_mode", kInt}};
constexpr KnownAttribute kOfInstance[] = {{"epsilon", kFloat}};
constexpr KnownAttribute kOfLayer[] = {{"axis", kInt}, {"epsilon", kFloat}, {"stash_type", kInt}};

constexpr Operator kOperators[] = {
    {"", "BatchNormalization", 6, kLatest, InferBatch, LowerBatch, kOfBatch},
    {"", "InstanceNormalization", 6, kLatest, InferInstance, LowerInstance, kOfInstance},
    {"", "LayerNormalization", 17, kLatest, InferLayer, LowerLayer, kOfLayer},
};

}  // namespace

std::span<const Operator> NormalizationOperators() { return kOperators; }

}  // namespace punctual::native
