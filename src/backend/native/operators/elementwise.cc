// Add, Sub, Mul, Div and what else computes number by number of several values.
#include <algorithm>
#include <array>
#include <cmath>

#include "backend/native/kernels/binary.h"
#include "backend/native/kernels/unary.h"
#include "backend/native/operators/families.h"
#include "backend/native/operators/numbers.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

Result<Dims> BroadcastInputs(const InferContext& context) {
  Dims dims = context.input(0).dims;
  for (std::size_t i = 1; i < context.input_count(); ++i) {
    Dims both;
    if (!Broadcast(dims, context.input(i).dims, both))
      return context.Wrong("shapes " + ShapeText(dims) + " and " + ShapeText(context.input(i).dims) + " do not fit");
    dims = std::move(both);
  }
  return dims;
}

Result<void> InferSameTypes(InferContext& context, std::size_t least, std::size_t most,
                            std::initializer_list<ElementType> types) {
  PUNCTUAL_TRY(context.ExpectInputs(least, most));
  PUNCTUAL_TRY(context.ExpectType(0, types));
  const ElementType type = context.input(0).type;
  for (std::size_t i = 1; i < context.input_count(); ++i) {
    if (!context.Has(i)) return context.Wrong("input " + std::to_string(i) + " is missing");
    if (context.input(i).type != type)
      return context.Wrong("inputs of types " + std::string(NameOf(type)) + " and " +
                           std::string(NameOf(context.input(i).type)));
  }
  PUNCTUAL_ASSIGN(Dims dims, BroadcastInputs(context));
  return context.SetOutput(0, type, std::move(dims));
}

Broadcasting<2> ShapeOf(const Dims& output, const Dims& a, const Dims& b) { return {output, {a, b}}; }

template <class T>
class BinaryStep final : public Step {
 public:
  BinaryStep(BinaryFunction function, const Broadcasting<2>& shape, Operand a, Operand b, Operand out)
      : function_(function), shape_(shape), a_(a), b_(b), out_(out) {}
  void Run(std::byte* arena) const override {
    ComputeBinary(function_, shape_, a_.In<T>(arena), b_.In<T>(arena), out_.Out<T>(arena));
  }

 private:
  BinaryFunction function_;
  Broadcasting<2> shape_;
  Operand a_, b_, out_;
};

void AddBinary(BinaryFunction function, ElementType type, const Node& node, const Broadcasting<2>& shape, Operand a,
               Operand b, PlanBuilder& builder) {
  const Operand out = builder.OperandOf(node.outputs[0]);
  WithNumber(type, [&](auto number) { builder.Add<BinaryStep<decltype(number)>>(node, function, shape, a, b, out); });
}

// Add, Sub, Mul, Div.

Result<void> InferArithmetic(InferContext& context) { return InferSameTypes(context, 2, 2, kNumbers); }

template <BinaryFunction kFunction>
Result<void> LowerArithmetic(const Node& node, PlanBuilder& builder) {
  const Value& a = builder.value(node.inputs[0]);
  const Value& b = builder.value(node.inputs[1]);
  const Dims& output = builder.value(node.outputs[0]).dims;
  AddBinary(kFunction, a.type, node, ShapeOf(output, a.dims, b.dims), builder.OperandOf(node.inputs[0]),
            builder.OperandOf(node.inputs[1]), builder);
  return {};
}

// Pow: the exponent may be of another type.

Result<void> InferPow(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 2));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32, ElementType::kFloat64}));
  PUNCTUAL_TRY(context.ExpectType(1, kNumbers));
  if (context.input(1).type != context.input(0).type && context.input(1).constant == nullptr)
    return context.Unsupported("an exponent of another type must be a constant");
  PUNCTUAL_ASSIGN(Dims dims, BroadcastInputs(context));
  return context.SetOutput(0, context.input(0).type, std::move(dims));
}

template <class T>
Result<Operand> ConvertedConstant(const Constant& constant, PlanBuilder& builder) {
  PUNCTUAL_ASSIGN(const auto converted, builder.KeepMany<T>(constant.count()));
  WithNumber(constant.type(), [&](auto number) {
    const auto values = constant.values<decltype(number)>();
    std::transform(values.begin(), values.end(), converted.begin(), [](auto value) { return static_cast<T>(value); });
  });
  return Operand::Constant(converted.data());
}

Result<void> LowerPow(const Node& node, PlanBuilder& builder) {
  const Value& a = builder.value(node.inputs[0]);
  const Value& b = builder.value(node.inputs[1]);
  const Dims& output = builder.value(node.outputs[0]).dims;
  const Operand base = builder.OperandOf(node.inputs[0]);
  Operand exponent = builder.OperandOf(node.inputs[1]);
  if (b.constant != nullptr) {
    bool is_square = b.constant->count() == 1;
    WithNumber(b.type, [&](auto number) {
      is_square = is_square && b.constant->values<decltype(number)>()[0] == decltype(number){2};
    });
    if (is_square) {
      AddBinary(BinaryFunction::kMul, a.type, node, ShapeOf(output, a.dims, a.dims), base, base, builder);
      return {};
    }
    if (b.type != a.type) {
      PUNCTUAL_ASSIGN(exponent, a.type == ElementType::kFloat32 ? ConvertedConstant<float>(*b.constant, builder)
                                                                : ConvertedConstant<double>(*b.constant, builder));
    }
  }
  AddBinary(BinaryFunction::kPow, a.type, node, ShapeOf(output, a.dims, b.dims), base, exponent, builder);
  return {};
}

// Sum, Mean, Min, Max: of any number of inputs.

Result<void> InferMany(InferContext& context) {
  return InferSameTypes(context, 1, std::max<std::size_t>(1, context.input_count()), kNumbers);
}

Result<void> InferMean(InferContext& context) {
  return InferSameTypes(context, 1, std::max<std::size_t>(1, context.input_count()),
                        {ElementType::kFloat32, ElementType::kFloat64});
}

template <class T>
class ManyStep final : public Step {
 public:
  ManyStep(BinaryFunction function, std::vector<Operand> inputs, std::vector<Broadcasting<2>> shapes, Operand out,
           std::size_t count, bool is_mean)
      : function_(function),
        inputs_(std::move(inputs)),
        shapes_(std::move(shapes)),
        out_(out),
        count_({std::array{static_cast<std::int64_t>(count)}, {std::array{static_cast<std::int64_t>(count)}, {}}}),
        is_mean_(is_mean) {}
  void Run(std::byte* arena) const override {
    T* const out = out_.Out<T>(arena);
    const T* so_far = inputs_[0].In<T>(arena);
    for (std::size_t i = 1; i < inputs_.size(); ++i) {
      ComputeBinary(function_, shapes_[i - 1], so_far, inputs_[i].In<T>(arena), out);
      so_far = out;
    }
    const auto many = static_cast<T>(inputs_.size());
    if (is_mean_) ComputeBinary(BinaryFunction::kDiv, count_, out, &many, out);
  }

 private:
  BinaryFunction function_;
  std::vector<Operand> inputs_;
  std::vector<Broadcasting<2>> shapes_;  // of the first two, then of the output and each further one
  Operand out_;
  Broadcasting<2> count_;  // all numbers of the output, and one
  bool is_mean_;
};

template <BinaryFunction kFunction, bool kIsMean>
Result<void> LowerMany(const Node& node, PlanBuilder& builder) {
  if (node.inputs.size() == 1) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  const Dims& output = builder.value(node.outputs[0]).dims;
  std::vector<Operand> inputs;
  std::vector<Broadcasting<2>> shapes;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    inputs.push_back(builder.OperandOf(node.inputs[i]));
    const Dims& dims = builder.value(node.inputs[i]).dims;
    if (i > 0) shapes.push_back(ShapeOf(output, i == 1 ? builder.value(node.inputs[0]).dims : output, dims));
  }
  const Operand out = builder.OperandOf(node.outputs[0]);
  WithNumber(builder.value(node.inputs[0]).type, [&](auto number) {
    builder.Add<ManyStep<decltype(number)>>(node, kFunction, inputs, shapes, out, CountOf(output), kIsMean);
  });
  return {};
}

// Equal, Less, Greater and their like.

enum class Comparison { kEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

Result<void> InferComparison(InferContext& context) {
  PUNCTUAL_TRY(InferSameTypes(context, 2, 2, kNumbers));
  PUNCTUAL_ASSIGN(Dims dims, BroadcastInputs(context));
  return context.SetOutput(0, ElementType::kBool, std::move(dims));
}

template <class T, Comparison kComparison>
class ComparisonStep final : public Step {
 public:
  ComparisonStep(const Broadcasting<2>& shape, Operand a, Operand b, Operand out)
      : shape_(shape), a_(a), b_(b), out_(out) {}
  void Run(std::byte* arena) const override {
    const T* const a = a_.In<T>(arena);
    const T* const b = b_.In<T>(arena);
    auto* const out = out_.Out<std::uint8_t>(arena);
    const std::size_t step_a = shape_.moves(0) ? 1 : 0, step_b = shape_.moves(1) ? 1 : 0;
    shape_.ForEachRun([&](const std::array<std::size_t, 2>& inputs, std::size_t output) {
      for (std::size_t i = 0; i < shape_.run(); ++i)
        out[output + i] = Holds(a[inputs[0] + i * step_a], b[inputs[1] + i * step_b]) ? 1 : 0;
    });
  }

 private:
  static bool Holds(T a, T b) {
    switch (kComparison) {
      case Comparison::kEqual: return a == b;
      case Comparison::kLess: return a < b;
      case Comparison::kLessOrEqual: return a <= b;
      case Comparison::kGreater: return a > b;
      case Comparison::kGreaterOrEqual: return a >= b;
    }
    return false;
  }
  Broadcasting<2> shape_;
  Operand a_, b_, out_;
};

template <Comparison kComparison>
Result<void> LowerComparison(const Node& node, PlanBuilder& builder) {
  const Value& a = builder.value(node.inputs[0]);
  const Broadcasting<2> shape =
      ShapeOf(builder.value(node.outputs[0]).dims, a.dims, builder.value(node.inputs[1]).dims);
  WithNumber(a.type, [&](auto number) {
    builder.Add<ComparisonStep<decltype(number), kComparison>>(node, shape, builder.OperandOf(node.inputs[0]),
                                                               builder.OperandOf(node.inputs[1]),
                                                               builder.OperandOf(node.outputs[0]));
  });
  return {};
}

// Where.

Result<void> InferWhere(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(3, 3));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kBool}));
  if (context.input(1).type != context.input(2).type) return context.Wrong("its two values have different types");
  PUNCTUAL_ASSIGN(Dims dims, BroadcastInputs(context));
  return context.SetOutput(0, context.input(1).type, std::move(dims));
}

template <class T>
class WhereStep final : public Step {
 public:
  WhereStep(const Broadcasting<3>& shape, const std::array<Operand, 3>& inputs, Operand out)
      : shape_(shape), inputs_(inputs), out_(out) {}
  void Run(std::byte* arena) const override {
    const auto* const condition = inputs_[0].In<std::uint8_t>(arena);
    const T* const yes = inputs_[1].In<T>(arena);
    const T* const no = inputs_[2].In<T>(arena);
    T* const out = out_.Out<T>(arena);
    std::array<std::size_t, 3> steps{};
    for (std::size_t k = 0; k < 3; ++k) steps[k] = shape_.moves(k) ? 1 : 0;
    shape_.ForEachRun([&](const std::array<std::size_t, 3>& at, std::size_t output) {
      for (std::size_t i = 0; i < shape_.run(); ++i)
        out[output + i] = condition[at[0] + i * steps[0]] != 0 ? yes[at[1] + i * steps[1]] : no[at[2] + i * steps[2]];
    });
  }

 private:
  Broadcasting<3> shape_;
  std::array<Operand, 3> inputs_;
  Operand out_;
};

Result<void> LowerWhere(const Node& node, PlanBuilder& builder) {
  std::array<Operand, 3> inputs;
  std::array<std::span<const std::int64_t>, 3> dims;
  for (std::size_t k = 0; k < 3; ++k) {
    inputs[k] = builder.OperandOf(node.inputs[k]);
    dims[k] = builder.value(node.inputs[k]).dims;
  }
  const Broadcasting<3> shape(builder.value(node.outputs[0]).dims, dims);
  const Operand out = builder.OperandOf(node.outputs[0]);
  switch (SizeOf(builder.value(node.outputs[0]).type)) {
    case 8: builder.Add<WhereStep<std::uint64_t>>(node, shape, inputs, out); break;
    case 4: builder.Add<WhereStep<std::uint32_t>>(node, shape, inputs, out); break;
    default: builder.Add<WhereStep<std::uint8_t>>(node, shape, inputs, out); break;
  }
  return {};
}

constexpr Operator kOperators[] = {
    {"", "Add", 7, kLatest, InferArithmetic, LowerArithmetic<BinaryFunction::kAdd>, {}, true},
    {"", "Sub", 7, kLatest, InferArithmetic, LowerArithmetic<BinaryFunction::kSub>, {}, true},
    {"", "Mul", 7, kLatest, InferArithmetic, LowerArithmetic<BinaryFunction::kMul>, {}, true},
    {"", "Div", 7, kLatest, InferArithmetic, LowerArithmetic<BinaryFunction::kDiv>, {}, true},
    {"", "Pow", 7, kLatest, InferPow, LowerPow, {}, true},
    {"", "Sum", 6, kLatest, InferMany, LowerMany<BinaryFunction::kAdd, false>, {}, true},
    {"", "Mean", 6, kLatest, InferMean, LowerMany<BinaryFunction::kAdd, true>, {}, true},
    {"", "Min", 6, kLatest, InferMany, LowerMany<BinaryFunction::kMin, false>, {}, true},
    {"", "Max", 6, kLatest, InferMany, LowerMany<BinaryFunction::kMax, false>, {}, true},
    {"", "Equal", 7, kLatest, InferComparison, LowerComparison<Comparison::kEqual>, {}, true},
    {"", "Less", 7, kLatest, InferComparison, LowerComparison<Comparison::kLess>, {}, true},
    {"", "LessOrEqual", 12, kLatest, InferComparison, LowerComparison<Comparison::kLessOrEqual>, {}, true},
    {"", "Greater", 7, kLatest, InferComparison, LowerComparison<Comparison::kGreater>, {}, true},
    {"", "GreaterOrEqual", 12, kLatest, InferComparison, LowerComparison<Comparison::kGreaterOrEqual>, {}, true},
    {"", "Where", 9, kLatest, InferWhere, LowerWhere, {}, true},
};

}  // namespace

std::span<const Operator> ElementwiseOperators() { return kOperators; }

}  // namespace punctual::native
