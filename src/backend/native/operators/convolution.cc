// Conv, and the passes' Convolution, which is the same on channels-last values with what follows it.
#include <algorithm>
#include <cstring>

#include "backend/native/kernels/pool.h"
#include "backend/native/operators/dense_step.h"
#include "backend/native/operators/families.h"
#include "backend/native/operators/window.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// Sizes of a convolution, whatever its layout.
struct Sizes {
  std::size_t batch, in_channels, out_channels, groups;
  std::size_t in_places, out_places;  // of one of the batch

  std::size_t group_in() const { return in_channels / groups; }
  std::size_t group_out() const { return out_channels / groups; }
  bool is_depthwise() const { return groups > 1 && group_in() == 1 && group_out() == 1; }
};

Result<Window> WindowOf(const Node& node, const Dims& x, const Dims& w, bool channels_last) {
  return WindowOf(node, SpatialOf(x, channels_last), Dims(w.begin() + 2, w.end()));
}

Result<void> InferConvolution(InferContext& context, bool channels_last) {
  PUNCTUAL_TRY(context.ExpectInputs(2, channels_last ? 4 : 3));
  for (std::size_t i = 0; i < context.input_count(); ++i)
    if (context.Has(i)) PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
  const Dims& x = context.input(0).dims;
  const Dims& w = context.input(1).dims;
  if (x.size() < 3 || w.size() != x.size())
    return context.Wrong("input of shape " + ShapeText(x) + " and weights of shape " + ShapeText(w));
  const std::int64_t channels = channels_last ? x.back() : x[1];
  const std::int64_t group = context.node().Int("group", 1);
  if (group < 1 || channels < 1 || w[0] < 1 || channels % group != 0 || w[0] % group != 0 || w[1] != channels / group)
    return context.Wrong(std::to_string(channels) + " channels in " + std::to_string(group) +
                         " groups do not fit weights of shape " + ShapeText(w));
  if (context.Has(2) && context.input(2).dims != Dims{w[0]})
    return context.Wrong("bias of shape " + ShapeText(context.input(2).dims) + " for " + std::to_string(w[0]) +
                         " channels");
  if (const auto* const kernel = context.node().Ints("kernel_shape");
      kernel != nullptr && *kernel != Dims(w.begin() + 2, w.end()))
    return context.Wrong("kernel_shape " + ShapeText(*kernel) + " is not that of weights of shape " + ShapeText(w));
  const auto window = WindowOf(context.node(), x, w, channels_last);
  if (window.has_error())
    return window.error().code == Code::kInvalidArgument ? context.Wrong(window.error().message)
                                                         : context.Unsupported(window.error().message);
  if (!IsBounded(window.value(), x[0])) return context.Unsupported("so many windows are not supported");
  const Dims places = window.value().StoredOut();
  Dims out{x[0]};
  if (!channels_last) out.push_back(w[0]);
  out.insert(out.end(), places.begin(), places.end());
  if (channels_last) out.push_back(w[0]);
  if (context.Has(3) && context.input(3).dims != out) return context.Wrong("a residual of another shape");
  return context.SetOutput(0, ElementType::kFloat32, std::move(out));
}

// Of one group, ONNX's [outputs][channels][taps] as [taps][channels][outputs].
void Turn(const float* weights, const Sizes& sizes, std::size_t taps, std::size_t group, float* turned) {
  const std::size_t channels = sizes.group_in(), outputs = sizes.group_out();
  for (std::size_t m = 0; m < outputs; ++m)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t t = 0; t < taps; ++t)
        turned[(t * channels + c) * outputs + m] = weights[((group * outputs + m) * channels + c) * taps + t];
}

std::size_t PackedCount(const Sizes& sizes, const DenseShape& shape) {
  return sizes.is_depthwise() ? shape.taps * sizes.in_channels : sizes.groups * PackedDenseCount(shape);
}

// All groups for the kernels. `turned`: room for as many floats as a group has weights. The bias of a depthwise
// convolution stays where it is.
void Pack(const float* weights, const float* bias, const Sizes& sizes, const DenseShape& shape, float* turned,
          float* packed) {
  if (sizes.is_depthwise()) return TransposeEach(weights, 1, sizes.in_channels, shape.taps, packed);
  // Of taps that were joined, each has its channels.
  const std::size_t taps = shape.taps * shape.channels / sizes.group_in();
  for (std::size_t group = 0; group < sizes.groups; ++group) {
    Turn(weights, sizes, taps, group, turned);
    PackDense(shape, turned, bias == nullptr ? nullptr : bias + group * sizes.group_out(), packed);
    packed += PackedDenseCount(shape);
  }
}

class ConvolutionStep final : public Step {
 public:
  struct Parts {
    Sizes sizes;
    std::size_t rows;
    const std::int32_t* offsets;
    std::int32_t row_step;
    const float* zeros;
    DenseShape shape;  // of one group
    const float* packed = nullptr;
    // Where weights are only known when the model runs: room to pack them.
    std::optional<Operand> weights, turned_weights, packed_weights;
    std::optional<Operand> bias;
    Operand in, out;
    std::optional<Operand> residual;
    // Where channels do not stand last: there the values are turned.
    std::optional<Operand> turned_in, turned_out;
    ActivationWith first, second;
  };
  explicit ConvolutionStep(const Parts& parts) : parts_(parts) {}

  void Run(std::byte* arena) const override {
    const Parts& p = parts_;
    const Sizes& sizes = p.sizes;
    const float* in = p.in.In<float>(arena);
    if (p.turned_in.has_value()) {
      float* const turned = p.turned_in->Out<float>(arena);
      TransposeEach(in, sizes.batch, sizes.in_channels, sizes.in_places, turned);
      in = turned;
    }
    const float* const bias = p.bias.has_value() ? p.bias->In<float>(arena) : nullptr;
    const float* packed = p.packed;
    if (p.weights.has_value()) {
      float* const room = p.packed_weights->Out<float>(arena);
      Pack(p.weights->In<float>(arena), bias, sizes, p.shape, p.turned_weights->Out<float>(arena), room);
      packed = room;
    }
    float* const out = p.turned_out.has_value() ? p.turned_out->Out<float>(arena) : p.out.Out<float>(arena);
    const float* const residual = p.residual.has_value() ? p.residual->In<float>(arena) : nullptr;
    const DenseInput input{in, p.offsets, p.zeros, 0, p.row_step};
    const DenseOutput output{out, sizes.out_channels, p.first, residual, sizes.out_channels, p.second};
    if (sizes.is_depthwise())
      RunDepthwise({p.shape.taps, sizes.in_channels}, p.rows, packed, bias, input, output);
    else
      RunGroups(packed, input, output);
    if (p.turned_out.has_value())
      TransposeEach(out, sizes.batch, sizes.out_places, sizes.out_channels, p.out.Out<float>(arena));
  }

 private:
  void RunGroups(const float* packed, DenseInput input, DenseOutput output) const {
    const Sizes& sizes = parts_.sizes;
    for (std::size_t group = 0; group < sizes.groups; ++group) {
      RunDense(parts_.shape, parts_.rows, packed, input, output);
      packed += PackedDenseCount(parts_.shape);
      input.in += sizes.group_in();
      output.out += sizes.group_out();
      if (output.residual != nullptr) output.residual += sizes.group_out();
    }
  }

  const Parts parts_;
};

Result<void> PrepareWeights(const Node& node, PlanBuilder& builder, ConvolutionStep::Parts& parts) {
  const Value& weights = builder.value(node.inputs[1]);
  const ValueId bias = node.input(2);
  if (bias != kNoValue) parts.bias = builder.OperandOf(bias);
  const std::size_t turned_count = CountOf(weights.dims) / parts.sizes.groups;
  const std::size_t packed_count = PackedCount(parts.sizes, parts.shape);
  if (weights.constant != nullptr && (bias == kNoValue || builder.value(bias).constant != nullptr)) {
    PUNCTUAL_ASSIGN(const auto packed, builder.KeepMany<float>(packed_count));
    std::vector<float> turned(turned_count);
    Pack(weights.constant->values<float>().data(),
         bias == kNoValue ? nullptr : builder.value(bias).constant->values<float>().data(), parts.sizes, parts.shape,
         turned.data(), packed.data());
    parts.packed = packed.data();
    return {};
  }
  parts.weights = builder.OperandOf(node.inputs[1]);
  parts.turned_weights = builder.Scratch(turned_count * sizeof(float));
  parts.packed_weights = builder.Scratch(packed_count * sizeof(float));
  return {};
}

Result<void> LowerConvolution(const Node& node, PlanBuilder& builder, bool channels_last) {
  const Dims& x = builder.value(node.inputs[0]).dims;
  const Dims& w = builder.value(node.inputs[1]).dims;
  PUNCTUAL_ASSIGN(const Window window, WindowOf(node, x, w, channels_last));
  ConvolutionStep::Parts parts;
  Sizes& sizes = parts.sizes;
  sizes.batch = static_cast<std::size_t>(x[0]);
  sizes.in_channels = static_cast<std::size_t>(channels_last ? x.back() : x[1]);
  sizes.out_channels = static_cast<std::size_t>(w[0]);
  sizes.groups = static_cast<std::size_t>(node.Int("group", 1));
  sizes.in_places = CountOf(window.StoredIn());
  sizes.out_places = CountOf(window.StoredOut());
  const WindowTable table = TableOf(window, sizes.batch, sizes.in_channels, sizes.groups == 1);
  parts.rows = table.rows;
  parts.shape = {table.taps, sizes.groups == 1 ? table.channels : sizes.group_in(), sizes.group_out(), true};
  PUNCTUAL_ASSIGN(const auto offsets, builder.KeepMany<std::int32_t>(table.offsets.size()));
  std::copy(table.offsets.begin(), table.offsets.end(), offsets.begin());
  parts.offsets = offsets.data();
  parts.row_step = table.row_step;
  PUNCTUAL_ASSIGN(const auto zeros, builder.KeepMany<float>(parts.shape.channels));
  parts.zeros = zeros.data();
  PUNCTUAL_TRY(PrepareWeights(node, builder, parts));
  parts.in = builder.OperandOf(node.inputs[0]);
  parts.out = builder.OperandOf(node.outputs[0]);
  if (node.input(3) != kNoValue) parts.residual = builder.OperandOf(node.inputs[3]);
  parts.first = ActivationOf(node, "first");
  parts.second = ActivationOf(node, "second");
  if (!channels_last && sizes.in_channels > 1 && sizes.in_places > 1)
    parts.turned_in = builder.Scratch(sizes.batch * sizes.in_places * sizes.in_channels * sizeof(float));
  if (!channels_last && sizes.out_channels > 1 && sizes.out_places > 1)
    parts.turned_out = builder.Scratch(sizes.batch * sizes.out_places * sizes.out_channels * sizeof(float));
  builder.Add<ConvolutionStep>(node, parts);
  return {};
}

Result<void> InferPlain(InferContext& context) { return InferConvolution(context, false); }
Result<void> InferLast(InferContext& context) { return InferConvolution(context, true); }
Result<void> LowerPlain(const Node& node, PlanBuilder& builder) { return LowerConvolution(node, builder, false); }
Result<void> LowerLast(const Node& node, PlanBuilder& builder) { return LowerConvolution(node, builder, true); }

using enum AttributeKind;

constexpr KnownAttribute kOfConv[] = {{"auto_pad", kString}, {"dilations", kInts}, {"kernel_shape", kInts},
                                      {"pads", kInts},       {"strides", kInts},   {"group", kInt}};
constexpr KnownAttribute kOfConvolution[] = {{"auto_pad", kString},   {"dilations", kInts},    {"kernel_shape", kInts},
                                             {"pads", kInts},         {"strides", kInts},      {"group", kInt},
                                             {"in_positions", kInts}, {"in_length", kInt},     {"out_positions", kInts},
                                             {"first", kInt},         {"first_alpha", kFloat}, {"second", kInt},
                                             {"second_alpha", kFloat}};

constexpr Operator kOperators[] = {
    {"", "Conv", 1, kLatest, InferPlain, LowerPlain, kOfConv},
    {"punctual", "Convolution", 1, kLatest, InferLast, LowerLast, kOfConvolution},
};

}  // namespace

std::span<const Operator> ConvolutionOperators() { return kOperators; }

}  // namespace punctual::native
