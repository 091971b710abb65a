// Gemm, MatMul, and the passes' Dense: MatMul with constant weights [K, N], and what follows it.
#include <algorithm>
#include <cmath>
#include <optional>

#include "backend/native/kernels/pool.h"
#include "backend/native/operators/dense_step.h"
#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

std::size_t Size(std::int64_t dimension) { return static_cast<std::size_t>(dimension); }

// Whether each of the batch has many rows; which must not depend on how many the batch has.
bool HasManyRows(const Dims& a) { return a.size() > 2 && a[a.size() - 2] > 4; }

// --- rows times constant weights -----------------------------------------------------------------------------------

Result<DenseStep::Parts> PartsOf(PlanBuilder& builder, ValueId in, ValueId out, const DenseShape& shape,
                                 const float* weights, const float* bias) {
  DenseStep::Parts parts;
  parts.shape = shape;
  parts.rows = CountOf(builder.value(in).dims) / shape.channels;
  PUNCTUAL_ASSIGN(const auto packed, builder.KeepMany<float>(PackedDenseCount(shape)));
  PackDense(shape, weights, bias, packed.data());
  parts.packed = packed.data();
  parts.in = builder.OperandOf(in);
  parts.out = builder.OperandOf(out);
  return parts;
}

Result<void> InferDense(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 4));
  for (std::size_t i = 0; i < context.input_count(); ++i)
    if (context.Has(i)) PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
  const Value& w = context.input(1);
  Dims out = context.input(0).dims;
  if (w.constant == nullptr || w.dims.size() != 2 || out.empty() || out.back() != w.dims[0] || w.dims[0] < 1)
    return context.Wrong("input of shape " + ShapeText(out) + " and weights of shape " + ShapeText(w.dims));
  out.back() = w.dims[1];
  if (context.Has(2) && (context.input(2).dims != Dims{w.dims[1]} || context.input(2).constant == nullptr))
    return context.Wrong("bias of shape " + ShapeText(context.input(2).dims));
  if (context.Has(3) && context.input(3).dims != out) return context.Wrong("a residual of another shape");
  return context.SetOutput(0, ElementType::kFloat32, std::move(out));
}

Result<void> LowerDense(const Node& node, PlanBuilder& builder) {
  const Value& weights = builder.value(node.inputs[1]);
  const ValueId bias = node.input(2);
  const DenseShape shape{1, Size(weights.dims[0]), Size(weights.dims[1]),
                         node.Int("many_rows", HasManyRows(builder.value(node.inputs[0]).dims) ? 1 : 0) != 0};
  PUNCTUAL_ASSIGN(auto parts,
                  PartsOf(builder, node.inputs[0], node.outputs[0], shape, weights.constant->values<float>().data(),
                          bias == kNoValue ? nullptr : builder.value(bias).constant->values<float>().data()));
  if (node.input(3) != kNoValue) {
    parts.residual = builder.OperandOf(node.inputs[3]);
    parts.residual_stride = shape.outputs;
  }
  parts.first = ActivationOf(node, "first");
  parts.second = ActivationOf(node, "second");
  // A zero times a weight that is not finite is NaN: such a layer may not leave its zeros out.
  parts.has_many_zeros =
      node.Int("has_many_zeros", 0) != 0 &&
      std::ranges::all_of(weights.constant->values<float>(), [](float w) { return std::isfinite(w); });
  builder.Add<DenseStep>(node, parts);
  return {};
}

// --- MatMul ----------------------------------------------------------------------------------------------------------

struct Product {
  Dims batch;  // of the output
  Dims a_batch, b_batch;
  std::int64_t m, k, n;
  Dims out;
};

// Empty: the shapes do not fit.
std::optional<Product> ProductOf(Dims a, Dims b) {
  if (a.empty() || b.empty()) return std::nullopt;
  const bool is_row = a.size() == 1;
  const bool is_column = b.size() == 1;
  if (is_row) a.insert(a.begin(), 1);
  if (is_column) b.push_back(1);
  Product product;
  product.m = a[a.size() - 2];
  product.k = a.back();
  product.n = b.back();
  if (b[b.size() - 2] != product.k) return std::nullopt;
  product.a_batch.assign(a.begin(), a.end() - 2);
  product.b_batch.assign(b.begin(), b.end() - 2);
  if (!Broadcast(product.a_batch, product.b_batch, product.batch)) return std::nullopt;
  product.out = product.batch;
  if (!is_row) product.out.push_back(product.m);
  if (!is_column) product.out.push_back(product.n);
  return product;
}

Result<void> InferMatMul(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 2));
  for (const std::size_t i : {0, 1}) PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
  const auto product = ProductOf(context.input(0).dims, context.input(1).dims);
  if (!product.has_value())
    return context.Wrong("shapes " + ShapeText(context.input(0).dims) + " and " + ShapeText(context.input(1).dims) +
                         " cannot be multiplied");
  return context.SetOutput(0, ElementType::kFloat32, product->out);
}

// Products of matrices that are both only known when the model runs.
class ProductsStep final : public Step {
 public:
  struct Parts {
    DenseShape shape;
    std::size_t rows;
    std::span<const std::size_t> a_offsets, b_offsets;  // of the plan, by matrix of the output, in floats
    Operand a, b, out;
  };
  explicit ProductsStep(Parts parts) : parts_(std::move(parts)) {}
  void Run(std::byte* arena) const override {
    const Parts& p = parts_;
    float* out = p.out.Out<float>(arena);
    for (std::size_t i = 0; i < p.a_offsets.size(); ++i, out += p.rows * p.shape.outputs)
      RunDenseUnpacked(p.shape, p.rows, p.b.In<float>(arena) + p.b_offsets[i], p.shape.outputs,
                       {p.a.In<float>(arena) + p.a_offsets[i], nullptr, nullptr, p.shape.channels},
                       {out, p.shape.outputs});
  }

 private:
  const Parts parts_;
};

// For each matrix of `batch`, which of a value's own, that has `own` before its last two axes.
Result<std::span<const std::size_t>> MatricesOf(const Dims& batch, const Dims& own, std::size_t matrix,
                                                PlanBuilder& builder) {
  PUNCTUAL_ASSIGN(const auto offsets, builder.KeepMany<std::size_t>(CountOf(batch)));
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    std::size_t rest = i, stride = matrix;
    for (std::size_t axis = 0; axis < own.size(); ++axis) {
      const std::size_t size = Size(own[own.size() - 1 - axis]);
      const std::size_t whole = Size(batch[batch.size() - 1 - axis]);
      if (size > 1) offsets[i] += rest % whole * stride;
      rest /= whole;
      stride *= size;
    }
  }
  return std::span<const std::size_t>(offsets);
}

Result<void> LowerMatMul(const Node& node, PlanBuilder& builder) {
  const Value& a = builder.value(node.inputs[0]);
  const Value& b = builder.value(node.inputs[1]);
  const auto product = ProductOf(a.dims, b.dims);
  if (!product.has_value()) return Fail(Code::kInvalidArgument, "shapes that cannot be multiplied");
  const DenseShape shape{1, Size(product->k), Size(product->n), HasManyRows(a.dims)};
  if (b.constant != nullptr && CountOf(product->b_batch) == 1 && shape.channels > 0) {
    PUNCTUAL_ASSIGN(const auto parts, PartsOf(builder, node.inputs[0], node.outputs[0], shape,
                                              b.constant->values<float>().data(), nullptr));
    builder.Add<DenseStep>(node, parts);
    return {};
  }
  PUNCTUAL_ASSIGN(const auto of_a,
                  MatricesOf(product->batch, product->a_batch, Size(product->m * product->k), builder));
  PUNCTUAL_ASSIGN(const auto of_b,
                  MatricesOf(product->batch, product->b_batch, Size(product->k * product->n), builder));
  ProductsStep::Parts parts{shape,
                            Size(product->m),
                            of_a,
                            of_b,
                            builder.OperandOf(node.inputs[0]),
                            builder.OperandOf(node.inputs[1]),
                            builder.OperandOf(node.outputs[0])};
  builder.Add<ProductsStep>(node, std::move(parts));
  return {};
}

// --- Gemm ------------------------------------------------------------------------------------------------------------

struct GemmSizes {
  std::int64_t m, k, n;
};

GemmSizes SizesOf(const Node& node, const Dims& a, const Dims& b) {
  const bool turns_a = node.Int("transA", 0) != 0;
  const bool turns_b = node.Int("transB", 0) != 0;
  return {a[turns_a ? 1 : 0], a[turns_a ? 0 : 1], b[turns_b ? 0 : 1]};
}

Result<void> InferGemm(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(2, 3));
  for (std::size_t i = 0; i < context.input_count(); ++i)
    if (context.Has(i)) PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
  const Dims& a = context.input(0).dims;
  const Dims& b = context.input(1).dims;
  if (a.size() != 2 || b.size() != 2)
    return context.Wrong("inputs of shapes " + ShapeText(a) + " and " + ShapeText(b) + " are not two matrices");
  const GemmSizes sizes = SizesOf(context.node(), a, b);
  if (sizes.k != b[context.node().Int("transB", 0) != 0 ? 1 : 0])
    return context.Wrong("shapes " + ShapeText(a) + " and " + ShapeText(b) + " cannot be multiplied");
  const Dims out{sizes.m, sizes.n};
  Dims whole;
  if (context.Has(2) && (!Broadcast(context.input(2).dims, out, whole) || whole != out))
    return context.Wrong("C of shape " + ShapeText(context.input(2).dims) + " does not fit " + ShapeText(out));
  return context.SetOutput(0, ElementType::kFloat32, out);
}

// to[m][n] = scale * from, where `from` is [m or 1][n or 1].
void Spread(const float* from, const Dims& dims, float scale, std::size_t rows, std::size_t columns, float* to) {
  const std::size_t row_step = dims.size() > 1 && dims[dims.size() - 2] > 1 ? Size(dims.back()) : 0;
  const std::size_t column_step = !dims.empty() && dims.back() > 1 ? 1 : 0;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) to[r * columns + c] = scale * from[r * row_step + c * column_step];
}

// Everything that Gemm may be.
class GemmStep final : public Step {
 public:
  struct Parts {
    DenseShape shape;
    std::size_t rows;
    Operand a, b, out;
    std::optional<Operand> c;
    Dims c_dims;
    float alpha, beta;
    std::optional<Operand> prepared_a;  // turned or scaled
    bool turns_a;
    std::optional<Operand> turned_b, spread_c;
  };
  explicit GemmStep(Parts parts) : parts_(std::move(parts)) {}

  void Run(std::byte* arena) const override {
    const Parts& p = parts_;
    const auto [taps, k, n, is_many] = p.shape;
    const float* a = p.a.In<float>(arena);
    if (p.prepared_a.has_value()) {
      float* const prepared = p.prepared_a->Out<float>(arena);
      TransposeEach(a, 1, p.turns_a ? k : 1, p.turns_a ? p.rows : p.rows * k, prepared);
      for (std::size_t i = 0; i < p.rows * k; ++i) prepared[i] *= p.alpha;
      a = prepared;
    }
    const float* b = p.b.In<float>(arena);
    if (p.turned_b.has_value()) {
      TransposeEach(b, 1, n, k, p.turned_b->Out<float>(arena));
      b = p.turned_b->In<float>(arena);
    }
    const float* c = nullptr;
    if (p.c.has_value()) {
      Spread(p.c->In<float>(arena), p.c_dims, p.beta, p.rows, n, p.spread_c->Out<float>(arena));
      c = p.spread_c->In<float>(arena);
    }
    RunDenseUnpacked(p.shape, p.rows, b, n, {a, nullptr, nullptr, k}, {p.out.Out<float>(arena), n, {}, c, n});
  }

 private:
  const Parts parts_;
};

// Constant weights, and a constant C that is the same for each row: the usual layer.
bool IsLayer(const Node& node, const PlanBuilder& builder) {
  if (builder.value(node.inputs[1]).constant == nullptr || node.Int("transA", 0) != 0) return false;
  if (node.input(2) == kNoValue) return true;
  const Value& c = builder.value(node.inputs[2]);
  return c.constant != nullptr && (c.dims.size() < 2 || c.dims[0] == 1);
}

Result<void> LowerLayer(const Node& node, PlanBuilder& builder, const DenseShape& shape) {
  const Value& b = builder.value(node.inputs[1]);
  const float alpha = node.Float("alpha", 1);
  const float* const from = b.constant->values<float>().data();
  std::vector<float> weights(shape.channels * shape.outputs);
  if (node.Int("transB", 0) != 0)
    TransposeEach(from, 1, shape.outputs, shape.channels, weights.data());
  else
    std::copy_n(from, weights.size(), weights.begin());
  for (float& weight : weights) weight *= alpha;
  std::vector<float> bias(shape.outputs, 0.0f);
  if (node.input(2) != kNoValue) {
    const Value& c = builder.value(node.inputs[2]);
    Spread(c.constant->values<float>().data(), c.dims, node.Float("beta", 1), 1, shape.outputs, bias.data());
  }
  PUNCTUAL_ASSIGN(const auto parts,
                  PartsOf(builder, node.inputs[0], node.outputs[0], shape, weights.data(), bias.data()));
  builder.Add<DenseStep>(node, parts);
  return {};
}

Result<void> LowerGemm(const Node& node, PlanBuilder& builder) {
  const GemmSizes sizes = SizesOf(node, builder.value(node.inputs[0]).dims, builder.value(node.inputs[1]).dims);
  const DenseShape shape{1, Size(sizes.k), Size(sizes.n)};
  if (shape.channels > 0 && IsLayer(node, builder)) return LowerLayer(node, builder, shape);
  const std::size_t rows = Size(sizes.m);
  GemmStep::Parts parts{};
  parts.shape = shape;
  parts.rows = rows;
  parts.a = builder.OperandOf(node.inputs[0]);
  parts.b = builder.OperandOf(node.inputs[1]);
  parts.out = builder.OperandOf(node.outputs[0]);
  parts.alpha = node.Float("alpha", 1);
  parts.beta = node.Float("beta", 1);
  parts.turns_a = node.Int("transA", 0) != 0;
  if (parts.turns_a || parts.alpha != 1.0f) parts.prepared_a = builder.Scratch(rows * shape.channels * sizeof(float));
  if (node.Int("transB", 0) != 0) parts.turned_b = builder.Scratch(shape.channels * shape.outputs * sizeof(float));
  if (node.input(2) != kNoValue) {
    parts.c = builder.OperandOf(node.inputs[2]);
    parts.c_dims = builder.value(node.inputs[2]).dims;
    parts.spread_c = builder.Scratch(rows * shape.outputs * sizeof(float));
  }
  builder.Add<GemmStep>(node, std::move(parts));
  return {};
}

using enum AttributeKind;

constexpr KnownAttribute kOfGemm[] = {{"alpha", kFloat}, {"beta", kFloat}, {"transA", kInt}, {"transB", kInt}};
constexpr KnownAttribute kOfDense[] = {{"many_rows", kInt},     {"has_many_zeros", kInt}, {"first", kInt},
                                       {"first_alpha", kFloat}, {"second", kInt},         {"second_alpha", kFloat}};

constexpr Operator kOperators[] = {
    // Before 7, C was broadcast by another rule.
    {"", "Gemm", 7, kLatest, InferGemm, LowerGemm, kOfGemm},
    {"", "MatMul", 1, kLatest, InferMatMul, LowerMatMul},
    {"punctual", "Dense", 1, kLatest, InferDense, LowerDense, kOfDense},
};

}  // namespace

std::span<const Operator> MatmulOperators() { return kOperators; }

}  // namespace punctual::native
