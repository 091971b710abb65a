// Softmax, LogSoftmax.
#include "backend/native/kernels/softmax.h"

#include <limits>

#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// Until opset 12 all dimensions from the axis on are one; since 13 it is the axis alone.
bool Flattens(const Node& node) { return node.opset < 13; }

std::int64_t AxisOf(const Node& node) { return node.Int("axis", Flattens(node) ? 1 : -1); }

Result<void> Infer(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  const Dims& dims = context.input(0).dims;
  const std::int64_t axis = AxisOf(context.node());
  // Flattening may also be from behind the last dimension on: rows of one number.
  if (!(Flattens(context.node()) && axis == static_cast<std::int64_t>(dims.size())))
    PUNCTUAL_TRY(context.Axis(axis, dims.size()));
  return context.SetOutput(0, ElementType::kFloat32, dims);
}

using Kernel = void (*)(const float*, float*, std::size_t, std::size_t, std::size_t);

class SoftmaxStep final : public Step {
 public:
  SoftmaxStep(Kernel kernel, Operand x, Operand y, std::size_t outer, std::size_t count, std::size_t inner)
      : kernel_(kernel), x_(x), y_(y), outer_(outer), count_(count), inner_(inner) {}
  void Run(std::byte* arena) const override {
    kernel_(x_.In<float>(arena), y_.Out<float>(arena), outer_, count_, inner_);
  }

 private:
  Kernel kernel_;
  Operand x_, y_;
  std::size_t outer_, count_, inner_;
};

template <Kernel kKernel>
Result<void> Lower(const Node& node, PlanBuilder& builder) {
  const Dims& dims = builder.value(node.inputs[0]).dims;
  std::int64_t axis = AxisOf(node);
  if (axis < 0) axis += static_cast<std::int64_t>(dims.size());
  const auto at = dims.begin() + axis;
  std::size_t outer = CountOf({dims.begin(), at}), count = CountOf({at, dims.end()}), inner = 1;
  if (!Flattens(node)) {
    count = static_cast<std::size_t>(*at);
    inner = CountOf({at + 1, dims.end()});
  }
  builder.Add<SoftmaxStep>(node, kKernel, builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]), outer,
                           count, inner);
  return {};
}

using enum AttributeKind;

constexpr KnownAttribute kAxis[] = {{"axis", kInt}};

constexpr Operator kOperators[] = {
    {"", "Softmax", 1, kLatest, Infer, Lower<&Softmax>, kAxis},
    {"", "LogSoftmax", 1, kLatest, Infer, Lower<&LogSoftmax>, kAxis},
};

}  // namespace

std::span<const Operator> SoftmaxOperators() { return kOperators; }

}  // namespace punctual::native
