// QuantizeLinear, DequantizeLinear. What computes with codes is in quantized_layers.cc.
#include "backend/native/operators/quantization.h"

#include <cmath>
#include <type_traits>
#include <utility>

#include "backend/native/kernels/quantize.h"
#include "backend/native/operators/families.h"
#include "backend/native/operators/quantized_layers.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

constexpr std::size_t kScale = 1, kZeroPoint = 2;  // inputs

// The codes lie as [outer][scales][inner].
struct Arrangement {
  std::size_t outer = 1, inner = 1;
};

Arrangement ArrangementOf(const Dims& dims, const LinearCodes& codes) {
  if (codes.is_per_tensor()) return {1, CountOf(dims)};
  const auto axis = dims.begin() + static_cast<std::ptrdiff_t>(codes.axis);
  return {CountOf(Dims(dims.begin(), axis)), CountOf(Dims(axis + 1, dims.end()))};
}

class QuantizeStep final : public Step {
 public:
  QuantizeStep(Operand from, Operand to, LinearCodes codes, Arrangement arrangement)
      : from_(from), to_(to), codes_(std::move(codes)), arrangement_(arrangement) {}
  void Run(std::byte* arena) const override {
    const auto* from = from_.In<float>(arena);
    auto* to = to_.Out<std::uint8_t>(arena);
    for (std::size_t outer = 0; outer < arrangement_.outer; ++outer)
      for (std::size_t i = 0; i < codes_.scales.size(); ++i) {
        // What is written after the end of a run is overwritten by the next.
        Quantize(from, arrangement_.inner, codes_.scales[i], codes_.zero_points[i], LeastCode(codes_.type),
                 MostCode(codes_.type), to);
        from += arrangement_.inner;
        to += arrangement_.inner;
      }
  }

 private:
  Operand from_, to_;
  LinearCodes codes_;
  Arrangement arrangement_;
};

template <class Code>
class DequantizeStep final : public Step {
 public:
  DequantizeStep(Operand from, Operand to, LinearCodes codes, Arrangement arrangement)
      : from_(from), to_(to), codes_(std::move(codes)), arrangement_(arrangement) {}
  void Run(std::byte* arena) const override {
    const auto* from = from_.In<Code>(arena);
    auto* to = to_.Out<float>(arena);
    for (std::size_t outer = 0; outer < arrangement_.outer; ++outer)
      for (std::size_t i = 0; i < codes_.scales.size(); ++i) {
        if constexpr (std::is_same_v<Code, std::int32_t>)  // biases, when constants are folded: no kernel of its own
          for (std::size_t k = 0; k < arrangement_.inner; ++k) to[k] = static_cast<float>(from[k]) * codes_.scales[i];
        else
          Dequantize(from, arrangement_.inner, codes_.scales[i], codes_.zero_points[i], to);
        from += arrangement_.inner;
        to += arrangement_.inner;
      }
  }

 private:
  Operand from_, to_;
  LinearCodes codes_;
  Arrangement arrangement_;
};

// Scale and zero point, of either operator, whose codes are of `type`.
Result<void> CheckScales(const InferContext& context, ElementType type) {
  PUNCTUAL_TRY(context.ExpectType(kScale, {ElementType::kFloat32}));
  if (context.node().Int("block_size", 0) != 0) return context.Unsupported("scales by block are not supported");
  const Value& scale = context.input(kScale);
  if (scale.constant == nullptr)
    return context.Unsupported("scale \"" + scale.name + "\" is only known when the model runs; it must be a constant");
  for (const float number : scale.constant->values<float>())
    if (!(number > 0) || !std::isfinite(number))
      return context.Wrong("scale \"" + scale.name + "\" has a number that is not above zero and finite");
  if (scale.dims.size() > 1)
    return context.Wrong("scale \"" + scale.name + "\" has " + std::to_string(scale.dims.size()) +
                         " dimensions, at most 1 is known");
  if (CountOf(scale.dims) != 1) {
    const Dims& dims = context.input(0).dims;
    PUNCTUAL_ASSIGN(const std::size_t axis, context.Axis(context.node().Int("axis", 1), dims.size()));
    if (scale.dims[0] != dims[axis])
      return context.Wrong("scale \"" + scale.name + "\" has " + std::to_string(scale.dims[0]) + " numbers for the " +
                           std::to_string(dims[axis]) + " of axis " + std::to_string(axis));
  }
  if (!context.Has(kZeroPoint)) return {};
  const Value& zero_point = context.input(kZeroPoint);
  if (zero_point.constant == nullptr)
    return context.Unsupported("zero point \"" + zero_point.name +
                               "\" is only known when the model runs; it must be a constant");
  if (zero_point.type != type)
    return context.Wrong("zero point \"" + zero_point.name + "\" is of type " + std::string(NameOf(zero_point.type)) +
                         ", its codes of type " + std::string(NameOf(type)));
  if (CountOf(zero_point.dims) != CountOf(scale.dims))
    return context.Wrong("zero point \"" + zero_point.name + "\" has not as many numbers as scale \"" + scale.name +
                         "\"");
  if (type == ElementType::kInt32)
    for (const std::int32_t number : zero_point.constant->values<std::int32_t>())
      if (number != 0) return context.Wrong("zero point \"" + zero_point.name + "\" of int32 codes must be 0");
  return {};
}

// An attribute that names the type of numbers; 0: that of the scale, which is float.
Result<void> ExpectFloat(const InferContext& context, const char* attribute) {
  constexpr std::int64_t kOnnxFloat = 1;  // TensorProto.DataType
  const std::int64_t type = context.node().Int(attribute, 0);
  if (type == 0 || type == kOnnxFloat) return {};
  return context.Unsupported(std::string(attribute) + " " + std::to_string(type) +
                             " is not supported; supported: float");
}

Result<void> InferQuantize(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 3));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  PUNCTUAL_TRY(ExpectFloat(context, "precision"));
  ElementType type = ElementType::kUint8;
  if (context.Has(kZeroPoint)) {
    PUNCTUAL_TRY(context.ExpectType(kZeroPoint, {ElementType::kUint8, ElementType::kInt8}));
    type = context.input(kZeroPoint).type;
  } else if (const std::int64_t wanted = context.node().Int("output_dtype", 0); wanted != 0) {
    constexpr std::int64_t kOnnxUint8 = 2, kOnnxInt8 = 3;  // TensorProto.DataType
    if (wanted != kOnnxUint8 && wanted != kOnnxInt8)
      return context.Unsupported("output_dtype " + std::to_string(wanted) +
                                 " is not supported; supported: uint8, int8");
    type = wanted == kOnnxInt8 ? ElementType::kInt8 : ElementType::kUint8;
  }
  PUNCTUAL_TRY(CheckScales(context, type));
  return context.SetOutput(0, type, context.input(0).dims);
}

Result<void> InferDequantize(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 3));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kUint8, ElementType::kInt8, ElementType::kInt32}));
  PUNCTUAL_TRY(ExpectFloat(context, "output_dtype"));
  PUNCTUAL_TRY(CheckScales(context, context.input(0).type));
  return context.SetOutput(0, ElementType::kFloat32, context.input(0).dims);
}

Result<void> LowerQuantize(const Node& node, PlanBuilder& builder) {
  LinearCodes codes = LinearCodesOf(builder.graph(), node);
  const Arrangement arrangement = ArrangementOf(builder.value(node.inputs[0]).dims, codes);
  builder.Add<QuantizeStep>(node, builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]),
                            std::move(codes), arrangement);
  return {};
}

Result<void> LowerDequantize(const Node& node, PlanBuilder& builder) {
  LinearCodes codes = LinearCodesOf(builder.graph(), node);
  const Arrangement arrangement = ArrangementOf(builder.value(node.inputs[0]).dims, codes);
  const auto add = [&]<class Code>(Code) {
    builder.Add<DequantizeStep<Code>>(node, builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]),
                                      std::move(codes), arrangement);
  };
  switch (codes.type) {
    case ElementType::kUint8: add(std::uint8_t{}); break;
    case ElementType::kInt8: add(std::int8_t{}); break;
    default: add(std::int32_t{}); break;
  }
  return {};
}

using enum AttributeKind;

// `saturate` speaks of types that we have not.
constexpr KnownAttribute kOfQuantize[] = {
    {"axis", kInt}, {"block_size", kInt}, {"output_dtype", kInt}, {"precision", kInt}, {"saturate", kInt}};
constexpr KnownAttribute kOfDequantize[] = {{"axis", kInt}, {"block_size", kInt}, {"output_dtype", kInt}};
// Bounds are codes or floats.
constexpr KnownAttribute kOfQuantizedGemm[] = {{"shift", kInt},   {"zero_point", kInt}, {"low", kInt},   {"high", kInt},
                                               {"slope", kFloat}, {"low", kFloat},      {"high", kFloat}};
constexpr KnownAttribute kOfQuantizedConv[] = {
    {"shift", kInt}, {"zero_point", kInt},    {"low", kInt},          {"high", kInt},          {"slope", kFloat},
    {"low", kFloat}, {"high", kFloat},        {"x_zero_point", kInt}, {"strides", kInts},      {"dilations", kInts},
    {"pads", kInts}, {"in_positions", kInts}, {"in_length", kInt},    {"out_positions", kInts}};

constexpr Operator kOperators[] = {
    {"", "QuantizeLinear", 10, 24, InferQuantize, LowerQuantize, kOfQuantize},
    {"", "DequantizeLinear", 10, 24, InferDequantize, LowerDequantize, kOfDequantize},
    {"punctual", "QuantizedGemm", 1, 1, InferQuantizedGemm, LowerQuantizedGemm, kOfQuantizedGemm},
    {"punctual", "QuantizedConv", 1, 1, InferQuantizedConv, LowerQuantizedConv, kOfQuantizedConv},
};

}  // namespace

LinearCodes LinearCodesOf(const Graph& graph, const Node& node) {
  const bool makes_codes = node.op->type == "QuantizeLinear";
  const Value& coded = graph.values[makes_codes ? node.outputs[0] : node.inputs[0]];
  LinearCodes codes;
  codes.type = coded.type;
  const auto scales = graph.values[node.inputs[kScale]].constant->values<float>();
  codes.scales.assign(scales.begin(), scales.end());
  codes.zero_points.assign(scales.size(), 0);
  if (!codes.is_per_tensor()) {
    const std::int64_t axis = node.Int("axis", 1);
    codes.axis = static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(coded.dims.size()) : axis);
  }
  if (node.input(kZeroPoint) == kNoValue) return codes;
  const Constant& zero_point = *graph.values[node.inputs[kZeroPoint]].constant;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (codes.type == ElementType::kUint8) codes.zero_points[i] = zero_point.values<std::uint8_t>()[i];
    if (codes.type == ElementType::kInt8) codes.zero_points[i] = zero_point.values<std::int8_t>()[i];
  }
  return codes;
}

std::span<const Operator> QuantizationOperators() { return kOperators; }

}  // namespace punctual::native
