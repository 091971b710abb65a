// Functions of one number: Relu and its like, and those of arithmetic (Sqrt, Exp, ...).
#include <limits>

#include "backend/native/kernels/unary.h"
#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

using Kind = UnaryFunction::Kind;

Result<void> InferOne(InferContext& context, std::initializer_list<ElementType> types) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, types));
  return context.SetOutput(0, context.input(0).type, context.input(0).dims);
}

Result<void> InferFloat(InferContext& context) { return InferOne(context, {ElementType::kFloat32}); }

Result<void> InferFloatOrDouble(InferContext& context) {
  return InferOne(context, {ElementType::kFloat32, ElementType::kFloat64});
}

template <class T>
class UnaryStep final : public Step {
 public:
  UnaryStep(UnaryFunction function, Operand x, Operand y, std::size_t count)
      : function_(function), x_(x), y_(y), count_(count) {}
  void Run(std::byte* arena) const override { ComputeUnary(function_, x_.In<T>(arena), y_.Out<T>(arena), count_); }

 private:
  UnaryFunction function_;
  Operand x_, y_;
  std::size_t count_;
};

Result<void> Lower(UnaryFunction function, const Node& node, PlanBuilder& builder) {
  const Value& x = builder.value(node.inputs[0]);
  const Operand from = builder.OperandOf(node.inputs[0]), to = builder.OperandOf(node.outputs[0]);
  if (x.type == ElementType::kFloat32)
    builder.Add<UnaryStep<float>>(node, function, from, to, CountOf(x.dims));
  else
    builder.Add<UnaryStep<double>>(node, function, from, to, CountOf(x.dims));
  return {};
}

template <Kind kKind>
Result<void> LowerPlain(const Node& node, PlanBuilder& builder) {
  return Lower({kKind}, node, builder);
}

// The defaults are those of ONNX.
Result<void> LowerLeakyRelu(const Node& node, PlanBuilder& builder) {
  return Lower({Kind::kLeakyRelu, node.Float("alpha", 0.01f)}, node, builder);
}

Result<void> LowerElu(const Node& node, PlanBuilder& builder) {
  return Lower({Kind::kElu, node.Float("alpha", 1.0f)}, node, builder);
}

Result<void> LowerSelu(const Node& node, PlanBuilder& builder) {
  return Lower(
      {Kind::kSelu, node.Float("alpha", 1.67326319217681884765625f), node.Float("gamma", 1.05070102214813232421875f)},
      node, builder);
}

Result<void> LowerHardSigmoid(const Node& node, PlanBuilder& builder) {
  return Lower({Kind::kHardSigmoid, node.Float("alpha", 0.2f), node.Float("beta", 0.5f)}, node, builder);
}

Result<void> InferGelu(InferContext& context) {
  const std::string approximate = context.node().String("approximate", "none");
  if (approximate != "none" && approximate != "tanh")
    return context.Unsupported("approximate = \"" + approximate + "\"; supported: none, tanh");
  return InferFloat(context);
}

Result<void> LowerGelu(const Node& node, PlanBuilder& builder) {
  return Lower({node.String("approximate", "none") == "tanh" ? Kind::kGeluTanh : Kind::kGelu}, node, builder);
}

// Clip: its bounds were attributes before opset 11.

Result<void> InferClip(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 3));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  for (std::size_t i = 1; i < context.input_count(); ++i) {
    if (!context.Has(i)) continue;
    const Value& bound = context.input(i);
    if (bound.type != ElementType::kFloat32) return context.Wrong("a bound of another type than its input");
    if (bound.constant == nullptr) return context.Unsupported("bound \"" + bound.name + "\" is not constant");
    if (bound.constant->count() != 1) return context.Wrong("bound \"" + bound.name + "\" is not one number");
  }
  return context.SetOutput(0, ElementType::kFloat32, context.input(0).dims);
}

Result<void> LowerClip(const Node& node, PlanBuilder& builder) {
  const auto bound = [&](std::size_t i, const char* attribute, float otherwise) {
    if (node.opset < 11) return node.Float(attribute, otherwise);
    return node.input(i) == kNoValue ? otherwise : builder.value(node.input(i)).constant->values<float>()[0];
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return Lower({Kind::kClip, bound(1, "min", -kInfinity), bound(2, "max", kInfinity)}, node, builder);
}

using enum AttributeKind;

constexpr KnownAttribute kAlpha[] = {{"alpha", kFloat}};
constexpr KnownAttribute kOfSelu[] = {{"alpha", kFloat}, {"gamma", kFloat}};
constexpr KnownAttribute kOfGelu[] = {{"approximate", kString}};
constexpr KnownAttribute kOfHardSigmoid[] = {{"alpha", kFloat}, {"beta", kFloat}};
constexpr KnownAttribute kBounds[] = {{"min", kFloat}, {"max", kFloat}};

constexpr Operator kOperators[] = {
    {"", "Abs", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kAbs>, {}, true},
    {"", "Neg", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kNeg>, {}, true},
    {"", "Sqrt", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kSqrt>, {}, true},
    {"", "Reciprocal", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kReciprocal>, {}, true},
    {"", "Exp", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kExp>, {}, true},
    {"", "Log", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kLog>, {}, true},
    {"", "Erf", 9, kLatest, InferFloatOrDouble, LowerPlain<Kind::kErf>, {}, true},
    {"", "Relu", 6, kLatest, InferFloatOrDouble, LowerPlain<Kind::kRelu>, {}, true},
    {"", "LeakyRelu", 6, kLatest, InferFloat, LowerLeakyRelu, kAlpha, true},
    {"", "Elu", 6, kLatest, InferFloat, LowerElu, kAlpha, true},
    {"", "Selu", 6, kLatest, InferFloat, LowerSelu, kOfSelu, true},
    {"", "Gelu", 20, kLatest, InferGelu, LowerGelu, kOfGelu, true},
    {"", "Sigmoid", 6, kLatest, InferFloat, LowerPlain<Kind::kSigmoid>, {}, true},
    {"", "HardSigmoid", 6, kLatest, InferFloat, LowerHardSigmoid, kOfHardSigmoid, true},
    {"", "Tanh", 6, kLatest, InferFloat, LowerPlain<Kind::kTanh>, {}, true},
    {"", "Softplus", 1, kLatest, InferFloat, LowerPlain<Kind::kSoftplus>, {}, true},
    {"", "Clip", 6, 10, InferFloat, LowerClip, kBounds, true},
    {"", "Clip", 11, kLatest, InferClip, LowerClip, {}, true},
};

}  // namespace

std::span<const Operator> ActivationOperators() { return kOperators; }

}  // namespace punctual::native
