// Cast, and CastLike, whose type is that of its second input.
#include <cmath>
#include <limits>
#include <type_traits>

#include "backend/native/graph/onnx_element_type.h"
#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// A byte that holds a truth: 0 or not.
struct Truth {
  std::uint8_t byte;
};

// As C converts, and as numpy does, where C says what comes out; where it does not, NaN becomes 0 and what is out of
// range the nearest number.
template <class To, class From>
To Convert(From from) {
  if constexpr (std::is_same_v<From, Truth>) {
    return Convert<To>(static_cast<std::uint8_t>(from.byte != 0));
  } else if constexpr (std::is_same_v<To, Truth>) {
    return Truth{static_cast<std::uint8_t>(from != From{0})};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(from)) return 0;
    // The least number of a type is a power of two, which `from` can be; the bound above is the next one.
    constexpr auto kLeast = static_cast<From>(std::numeric_limits<To>::min());
    constexpr auto kBeyond = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From{2};
    if (from >= kBeyond) return std::numeric_limits<To>::max();
    if (from <= kLeast) return std::numeric_limits<To>::min();
    return static_cast<To>(from);
  } else {
    return static_cast<To>(from);  // whole numbers wrap; double to float becomes infinite
  }
}

template <class To, class From>
class CastStep final : public Step {
 public:
  CastStep(Operand from, Operand to, std::size_t count) : from_(from), to_(to), count_(count) {}
  void Run(std::byte* arena) const override {
    const From* const from = from_.In<From>(arena);
    To* const to = to_.Out<To>(arena);
    for (std::size_t i = 0; i < count_; ++i) to[i] = Convert<To>(from[i]);
  }

 private:
  Operand from_, to_;
  std::size_t count_;
};

// Calls `use` with a null pointer of the type in memory.
template <class Use>
void WithType(ElementType type, const Use& use) {
  switch (type) {
    case ElementType::kFloat32: return use(static_cast<float*>(nullptr));
    case ElementType::kFloat64: return use(static_cast<double*>(nullptr));
    case ElementType::kInt32: return use(static_cast<std::int32_t*>(nullptr));
    case ElementType::kInt64: return use(static_cast<std::int64_t*>(nullptr));
    case ElementType::kInt8: return use(static_cast<std::int8_t*>(nullptr));
    case ElementType::kUint8: return use(static_cast<std::uint8_t*>(nullptr));
    case ElementType::kBool: return use(static_cast<Truth*>(nullptr));
  }
}

Result<void> InferCast(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  const std::int64_t to = context.node().Int("to", 0);
  const auto type = ElementTypeOf(to);
  if (!type) return context.Unsupported("to " + OnnxTypeText(to) + " is not supported");
  return context.SetOutput(0, *type, context.input(0).dims);
}

Result<void> InferCastLike(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 2));
  return context.SetOutput(0, context.input(1).type, context.input(0).dims);
}

Result<void> LowerCast(const Node& node, PlanBuilder& builder) {
  const Value& from = builder.value(node.inputs[0]);
  const Value& to = builder.value(node.outputs[0]);
  if (from.type == to.type) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  const Operand read = builder.OperandOf(node.inputs[0]);
  const Operand written = builder.OperandOf(node.outputs[0]);
  WithType(from.type, [&]<class From>(From*) {
    WithType(to.type, [&]<class To>(To*) { builder.Add<CastStep<To, From>>(node, read, written, CountOf(from.dims)); });
  });
  return {};
}

using enum AttributeKind;

// `saturate` speaks of types that we have not.
constexpr KnownAttribute kOfCast[] = {{"to", kInt}, {"saturate", kInt}};
constexpr KnownAttribute kOfCastLike[] = {{"saturate", kInt}};

constexpr Operator kOperators[] = {
    {"", "Cast", 6, kLatest, InferCast, LowerCast, kOfCast, true},
    {"", "CastLike", 15, kLatest, InferCastLike, LowerCast, kOfCastLike},
};

}  // namespace

std::span<const Operator> CastOperators() { return kOperators; }

}  // namespace punctual::native
