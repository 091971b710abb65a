// MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool, and the passes' Pool, which is all of them on channels-last
// values.
#include <algorithm>
#include <optional>

#include "backend/native/kernels/pool.h"
#include "backend/native/operators/families.h"
#include "backend/native/operators/window.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

bool IsLast(const Node& node) { return node.op->domain == "punctual"; }
// Of the passes' Pool, the attribute `of` is the ONNX operator's type.
std::string TypeOf(const Node& node) { return IsLast(node) ? node.String("of", "") : std::string(node.op->type); }

Result<Window> WindowOfPool(const Node& node, const Dims& x) {
  const Dims spatial = SpatialOf(x, IsLast(node));
  const auto* const kernel = node.Ints("kernel_shape");
  // Global ones have it where a pass left only some positions.
  if (kernel == nullptr && TypeOf(node).starts_with("Global")) return WindowOf(node, spatial, spatial);
  if (kernel == nullptr) return Fail(Code::kInvalidArgument, "kernel_shape is missing");
  return WindowOf(node, spatial, *kernel);
}

Result<void> Infer(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  if (context.HasOutput(1)) return context.Unsupported("the output Indices is not supported");
  const Dims& x = context.input(0).dims;
  if (x.size() < 3) return context.Wrong("input of shape " + ShapeText(x) + ", which has no spatial axis");
  const auto window = WindowOfPool(context.node(), x);
  if (window.has_error())
    return window.error().code == Code::kInvalidArgument ? context.Wrong(window.error().message)
                                                         : context.Unsupported(window.error().message);
  if (!IsBounded(window.value(), x[0])) return context.Unsupported("so many windows are not supported");
  const bool channels_last = IsLast(context.node());
  const Dims places = window.value().StoredOut();
  Dims out{x[0]};
  if (!channels_last) out.push_back(x[1]);
  out.insert(out.end(), places.begin(), places.end());
  if (channels_last) out.push_back(x.back());
  return context.SetOutput(0, ElementType::kFloat32, std::move(out));
}

class PoolStep final : public Step {
 public:
  struct Parts {
    std::size_t batch, channels, in_places, out_places;
    PoolShape shape;
    const std::int32_t* offsets;
    const float* counts;  // null: the largest, else means
    Operand in, out;
    // Where channels do not stand last: there the values are turned.
    std::optional<Operand> turned_in, turned_out;
  };
  explicit PoolStep(const Parts& parts) : parts_(parts) {}

  void Run(std::byte* arena) const override {
    const Parts& p = parts_;
    const float* in = p.in.In<float>(arena);
    if (p.turned_in.has_value()) {
      float* const turned = p.turned_in->Out<float>(arena);
      TransposeEach(in, p.batch, p.channels, p.in_places, turned);
      in = turned;
    }
    float* const out = p.turned_out.has_value() ? p.turned_out->Out<float>(arena) : p.out.Out<float>(arena);
    const std::size_t rows = p.batch * p.out_places;
    if (p.counts == nullptr)
      RunMaxPool(p.shape, rows, in, p.offsets, out, p.channels);
    else
      RunAveragePool(p.shape, rows, in, p.offsets, p.counts, out, p.channels);
    if (p.turned_out.has_value()) TransposeEach(out, p.batch, p.out_places, p.channels, p.out.Out<float>(arena));
  }

 private:
  const Parts parts_;
};

Result<void> Lower(const Node& node, PlanBuilder& builder) {
  const Dims& x = builder.value(node.inputs[0]).dims;
  const bool channels_last = IsLast(node);
  PUNCTUAL_ASSIGN(const Window window, WindowOfPool(node, x));
  PoolStep::Parts parts;
  parts.batch = static_cast<std::size_t>(x[0]);
  parts.channels = static_cast<std::size_t>(channels_last ? x.back() : x[1]);
  parts.in_places = CountOf(window.StoredIn());
  parts.out_places = CountOf(window.StoredOut());
  const WindowTable table = TableOf(window, parts.batch, parts.channels, false);
  parts.shape = {table.taps, parts.channels};
  PUNCTUAL_ASSIGN(const auto offsets, builder.KeepMany<std::int32_t>(table.offsets.size()));
  std::copy(table.offsets.begin(), table.offsets.end(), offsets.begin());
  parts.offsets = offsets.data();
  parts.counts = nullptr;
  if (TypeOf(node).ends_with("AveragePool")) {
    const auto counts = CountsOf(window, parts.batch, node.Int("count_include_pad", 0) != 0);
    PUNCTUAL_ASSIGN(const auto kept, builder.KeepMany<float>(counts.size()));
    std::copy(counts.begin(), counts.end(), kept.begin());
    parts.counts = kept.data();
  }
  parts.in = builder.OperandOf(node.inputs[0]);
  parts.out = builder.OperandOf(node.outputs[0]);
  if (!channels_last && parts.channels > 1 && parts.in_places > 1)
    parts.turned_in = builder.Scratch(parts.batch * parts.in_places * parts.channels * sizeof(float));
  if (!channels_last && parts.channels > 1 && parts.out_places > 1)
    parts.turned_out = builder.Scratch(parts.batch * parts.out_places * parts.channels * sizeof(float));
  builder.Add<PoolStep>(node, parts);
  return {};
}

using enum AttributeKind;

// storage_order: how numbers are counted in the output Indices, which is not supported.
constexpr KnownAttribute kOfMaxPool[] = {{"auto_pad", kString},  {"dilations", kInts}, {"kernel_shape", kInts},
                                         {"pads", kInts},        {"strides", kInts},   {"ceil_mode", kInt},
                                         {"storage_order", kInt}};
constexpr KnownAttribute kOfAveragePool[] = {
    {"auto_pad", kString}, {"dilations", kInts}, {"kernel_shape", kInts},    {"pads", kInts},
    {"strides", kInts},    {"ceil_mode", kInt},  {"count_include_pad", kInt}};
constexpr KnownAttribute kOfPool[] = {{"auto_pad", kString},   {"dilations", kInts},        {"kernel_shape", kInts},
                                      {"pads", kInts},         {"strides", kInts},          {"ceil_mode", kInt},
                                      {"storage_order", kInt}, {"count_include_pad", kInt}, {"in_positions", kInts},
                                      {"in_length", kInt},     {"out_positions", kInts},    {"of", kString}};

constexpr Operator kOperators[] = {
    {"", "MaxPool", 1, kLatest, Infer, Lower, kOfMaxPool},
    {"", "AveragePool", 1, kLatest, Infer, Lower, kOfAveragePool},
    {"", "GlobalMaxPool", 1, kLatest, Infer, Lower},
    {"", "GlobalAveragePool", 1, kLatest, Infer, Lower},
    {"punctual", "Pool", 1, kLatest, Infer, Lower, kOfPool},
};

}  // namespace

std::span<const Operator> PoolingOperators() { return kOperators; }

}  // namespace punctual::native
