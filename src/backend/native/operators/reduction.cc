// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ArgMax, ArgMin.
#include <algorithm>
#include <limits>

#include "backend/native/kernels/reduce.h"
#include "backend/native/operators/families.h"
#include "backend/native/operators/numbers.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// For each dimension, whether it is reduced.
std::vector<bool> ReducedDimensions(const Node& node, const Dims& dims, const std::vector<std::int64_t>& axes) {
  if (axes.empty()) return std::vector<bool>(dims.size(), node.Int("noop_with_empty_axes", 0) == 0);
  std::vector<bool> reduced(dims.size(), false);
  for (const std::int64_t axis : axes)
    reduced[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(dims.size()) : axis)] = true;
  return reduced;
}

// The axes, which infer found to be known: an attribute, or since opset `since` a constant.
std::vector<std::int64_t> AxesOf(const Node& node, const PlanBuilder& builder, int since) {
  if (node.opset < since) {
    const auto* axes = node.Ints("axes");
    return axes == nullptr ? std::vector<std::int64_t>() : *axes;
  }
  if (node.input(1) == kNoValue) return {};
  const Constant& constant = *builder.value(node.inputs[1]).constant;
  std::vector<std::int64_t> axes;
  if (constant.type() == ElementType::kInt64)
    axes.assign(constant.values<std::int64_t>().begin(), constant.values<std::int64_t>().end());
  else
    axes.assign(constant.values<std::int32_t>().begin(), constant.values<std::int32_t>().end());
  return axes;
}

Dims WithoutReduced(const Dims& dims, const std::vector<bool>& reduced, bool keeps) {
  Dims result;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (!reduced[i])
      result.push_back(dims[i]);
    else if (keeps)
      result.push_back(1);
  }
  return result;
}

template <int kSince>
Result<void> InferReduction(InferContext& context, std::initializer_list<ElementType> types) {
  const Node& node = context.node();
  PUNCTUAL_TRY(context.ExpectInputs(1, node.opset < kSince ? 1 : 2));
  PUNCTUAL_TRY(context.ExpectType(0, types));
  const Dims& dims = context.input(0).dims;
  std::vector<std::int64_t> axes;
  if (node.opset < kSince) {
    if (const auto* attribute = node.Ints("axes"); attribute != nullptr) axes = *attribute;
  } else if (context.Has(1)) {
    PUNCTUAL_ASSIGN(axes, context.ConstantInts(1));
  }
  for (const std::int64_t axis : axes) PUNCTUAL_TRY(context.Axis(axis, dims.size()));
  const bool keeps = node.Int("keepdims", 1) != 0;
  return context.SetOutput(0, context.input(0).type, WithoutReduced(dims, ReducedDimensions(node, dims, axes), keeps));
}

template <int kSince>
Result<void> InferReduceNumbers(InferContext& context) {
  return InferReduction<kSince>(context, kNumbers);
}

Result<void> InferReduceMean(InferContext& context) {
  return InferReduction<18>(context, {ElementType::kFloat32, ElementType::kFloat64});
}

// Over the middle of [outer][count][inner].
struct Pass {
  std::size_t outer, count, inner;
};

// One for each group of neighbouring dimensions that are reduced, the last group first.
std::vector<Pass> PassesOver(const Dims& dims, const std::vector<bool>& reduced) {
  std::vector<Pass> passes;
  std::size_t inner = 1;
  for (std::size_t end = dims.size(); end > 0;) {
    std::size_t begin = end - 1;
    while (begin > 0 && reduced[begin - 1] == reduced[end - 1]) --begin;
    const auto at = dims.begin() + static_cast<std::ptrdiff_t>(begin);
    const std::size_t count = CountOf({at, dims.begin() + static_cast<std::ptrdiff_t>(end)});
    if (reduced[begin])
      passes.push_back({CountOf({dims.begin(), at}), count, inner});
    else
      inner *= count;
    end = begin;
  }
  return passes;
}

template <class T>
class ReduceStep final : public Step {
 public:
  // `first`, `second`: room for what a pass leaves to the next one, in turn.
  ReduceStep(Reduction reduction, std::vector<Pass> passes, Operand x, Operand y, Operand first, Operand second,
             std::size_t mean_of)
      : reduction_(reduction), passes_(std::move(passes)), x_(x), y_(y), between_{first, second}, mean_of_(mean_of) {}
  void Run(std::byte* arena) const override {
    const T* from = x_.In<T>(arena);
    T* const y = y_.Out<T>(arena);
    for (std::size_t i = 0; i < passes_.size(); ++i) {
      const Pass& pass = passes_[i];
      T* const to = i + 1 == passes_.size() ? y : between_[i % 2].template Out<T>(arena);
      Reduce(reduction_, from, to, pass.outer, pass.count, pass.inner);
      from = to;
    }
    if (mean_of_ == 0) return;
    const std::size_t count = passes_.back().outer * passes_.back().inner;
    for (std::size_t i = 0; i < count; ++i) y[i] /= static_cast<T>(mean_of_);
  }

 private:
  Reduction reduction_;
  std::vector<Pass> passes_;
  Operand x_, y_, between_[2];
  std::size_t mean_of_;  // how many numbers; 0: no mean is asked for
};

template <Reduction kReduction, int kSince, bool kIsMean>
Result<void> LowerReduction(const Node& node, PlanBuilder& builder) {
  const Value& x = builder.value(node.inputs[0]);
  const std::vector<bool> reduced = ReducedDimensions(node, x.dims, AxesOf(node, builder, kSince));
  const std::vector<Pass> passes = PassesOver(x.dims, reduced);
  if (passes.empty()) {
    builder.Alias(node.outputs[0], node.inputs[0]);
    return {};
  }
  std::size_t most = 0, numbers = 1;
  for (std::size_t i = 0; i < passes.size(); ++i) {
    if (i + 1 < passes.size()) most = std::max(most, passes[i].outer * passes[i].inner);
    numbers *= passes[i].count;
  }
  const std::size_t bytes = most * SizeOf(x.type);
  const Operand first = builder.Scratch(bytes), second = builder.Scratch(passes.size() > 2 ? bytes : 0);
  WithNumber(x.type, [&](auto number) {
    builder.Add<ReduceStep<decltype(number)>>(node, kReduction, passes, builder.OperandOf(node.inputs[0]),
                                              builder.OperandOf(node.outputs[0]), first, second, kIsMean ? numbers : 0);
  });
  return {};
}

// ArgMax, ArgMin.

Result<void> InferArg(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, kNumbers));
  const Dims& dims = context.input(0).dims;
  PUNCTUAL_ASSIGN(const std::size_t axis, context.Axis(context.node().Int("axis", 0), dims.size()));
  if (dims[axis] == 0) return context.Wrong("chooses among no numbers");
  std::vector<bool> reduced(dims.size(), false);
  reduced[axis] = true;
  return context.SetOutput(0, ElementType::kInt64,
                           WithoutReduced(dims, reduced, context.node().Int("keepdims", 1) != 0));
}

template <class T, bool kIsMax>
class ArgStep final : public Step {
 public:
  ArgStep(Pass pass, bool takes_last, Operand x, Operand y) : pass_(pass), takes_last_(takes_last), x_(x), y_(y) {}
  void Run(std::byte* arena) const override {
    const T* x = x_.In<T>(arena);
    auto* y = y_.Out<std::int64_t>(arena);
    for (std::size_t o = 0; o < pass_.outer; ++o, x += pass_.count * pass_.inner) {
      for (std::size_t i = 0; i < pass_.inner; ++i) {
        std::size_t best = 0;
        for (std::size_t k = 1; k < pass_.count; ++k) {
          const T number = x[k * pass_.inner + i], so_far = x[best * pass_.inner + i];
          const bool is_better = kIsMax ? number > so_far : number < so_far;
          if (is_better || (takes_last_ && number == so_far)) best = k;
        }
        *y++ = static_cast<std::int64_t>(best);
      }
    }
  }

 private:
  Pass pass_;
  bool takes_last_;
  Operand x_, y_;
};

template <bool kIsMax>
Result<void> LowerArg(const Node& node, PlanBuilder& builder) {
  const Value& x = builder.value(node.inputs[0]);
  std::int64_t axis = node.Int("axis", 0);
  if (axis < 0) axis += static_cast<std::int64_t>(x.dims.size());
  const auto at = x.dims.begin() + axis;
  const Pass pass{CountOf({x.dims.begin(), at}), static_cast<std::size_t>(*at), CountOf({at + 1, x.dims.end()})};
  WithNumber(x.type, [&](auto number) {
    builder.Add<ArgStep<decltype(number), kIsMax>>(node, pass, node.Int("select_last_index", 0) != 0,
                                                   builder.OperandOf(node.inputs[0]),
                                                   builder.OperandOf(node.outputs[0]));
  });
  return {};
}

using enum AttributeKind;

constexpr KnownAttribute kAxes[] = {{"axes", kInts}, {"keepdims", kInt}};
constexpr KnownAttribute kAxesInInput[] = {{"keepdims", kInt}, {"noop_with_empty_axes", kInt}};
constexpr KnownAttribute kOfArg[] = {{"axis", kInt}, {"keepdims", kInt}, {"select_last_index", kInt}};

constexpr Operator kOperators[] = {
    {"", "ReduceSum", 1, 12, InferReduceNumbers<13>, LowerReduction<Reduction::kSum, 13, false>, kAxes},
    {"", "ReduceSum", 13, kLatest, InferReduceNumbers<13>, LowerReduction<Reduction::kSum, 13, false>, kAxesInInput},
    {"", "ReduceMean", 1, 17, InferReduceMean, LowerReduction<Reduction::kSum, 18, true>, kAxes},
    {"", "ReduceMean", 18, kLatest, InferReduceMean, LowerReduction<Reduction::kSum, 18, true>, kAxesInInput},
    {"", "ReduceMax", 1, 17, InferReduceNumbers<18>, LowerReduction<Reduction::kMax, 18, false>, kAxes},
    {"", "ReduceMax", 18, kLatest, InferReduceNumbers<18>, LowerReduction<Reduction::kMax, 18, false>, kAxesInInput},
    {"", "ReduceMin", 1, 17, InferReduceNumbers<18>, LowerReduction<Reduction::kMin, 18, false>, kAxes},
    {"", "ReduceMin", 18, kLatest, InferReduceNumbers<18>, LowerReduction<Reduction::kMin, 18, false>, kAxesInInput},
    {"", "ArgMax", 1, kLatest, InferArg, LowerArg<true>, kOfArg},
    {"", "ArgMin", 1, kLatest, InferArg, LowerArg<false>, kOfArg},
};

}  // namespace

std::span<const Operator> ReductionOperators() { return kOperators; }

}  // namespace punctual::native
