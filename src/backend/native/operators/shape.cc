// What only says how numbers are arranged: Reshape, Flatten, Squeeze, Unsqueeze, Identity, Dropout, Constant; and what
// is known from shapes alone: Shape, Size, ConstantOfShape. None of them takes time in a run.
#include <algorithm>
#include <cstring>

#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// The numbers of an attribute that opset `since` made an input. Null: they are left out.
Result<std::shared_ptr<const std::vector<std::int64_t>>> IntsOf(const InferContext& context, std::string_view attribute,
                                                                int since) {
  if (context.node().opset < since) {
    PUNCTUAL_TRY(context.ExpectInputs(1, 1));
    const auto* ints = context.node().Ints(attribute);
    return ints == nullptr ? nullptr : std::make_shared<const std::vector<std::int64_t>>(*ints);
  }
  PUNCTUAL_TRY(context.ExpectInputs(1, 2));
  if (!context.Has(1)) return std::shared_ptr<const std::vector<std::int64_t>>();
  PUNCTUAL_ASSIGN(auto ints, context.ConstantInts(1));
  return std::make_shared<const std::vector<std::int64_t>>(std::move(ints));
}

// The shape that Reshape asks for, of `count` elements that were arranged as `from`.
Result<Dims> ReshapedDims(const InferContext& context, const Dims& from, Dims to, bool keeps_zeros) {
  const auto count = static_cast<std::int64_t>(CountOf(from));
  const std::string text = ShapeText(to);
  std::int64_t known = 1;
  std::size_t open = to.size();
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !keeps_zeros) {
      if (i >= from.size()) return context.Wrong("shape " + text + " takes a dimension that its input does not have");
      to[i] = from[i];
    }
    if (to[i] < -1 || (to[i] == -1 && open != to.size())) return context.Wrong("shape " + text + " is none");
    if (to[i] == -1) {
      open = i;
    } else if (to[i] == 0) {
      known = 0;
    } else if (known > (std::int64_t{1} << 40) / to[i]) {
      return context.Wrong("shape " + text + " is too large");
    } else {
      known *= to[i];
    }
  }
  if (open != to.size()) {
    if (known == 0 || count % known != 0) return context.Wrong("shape " + text + " does not divide " + ShapeText(from));
    to[open] = count / known;
  } else if (known != count) {
    return context.Wrong("shape " + text + " does not hold what " + ShapeText(from) + " does");
  }
  return to;
}

Result<void> InferReshape(InferContext& context) {
  PUNCTUAL_ASSIGN(const auto shape, IntsOf(context, "shape", 5));
  if (shape == nullptr) return context.Wrong("has no shape");
  const Value& from = context.input(0);
  PUNCTUAL_ASSIGN(auto dims, ReshapedDims(context, from.dims, *shape, context.node().Int("allowzero", 0) != 0));
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> InferFlatten(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  const Value& from = context.input(0);
  const auto rank = static_cast<std::int64_t>(from.dims.size());
  const std::int64_t axis = context.node().Int("axis", 1);
  if (axis < -rank || axis > rank)
    return context.Wrong("axis " + std::to_string(axis) + " of a value with " + std::to_string(rank) + " dimensions");
  const auto split = from.dims.begin() + (axis < 0 ? axis + rank : axis);
  const auto rows = static_cast<std::int64_t>(CountOf(Dims(from.dims.begin(), split)));
  const auto columns = static_cast<std::int64_t>(CountOf(Dims(split, from.dims.end())));
  return context.SetOutput(0, from.type, {rows, columns});
}

// By axis of a value of that rank: whether it is among `axes`.
Result<std::vector<bool>> Marked(const InferContext& context, const std::vector<std::int64_t>& axes, std::size_t rank) {
  std::vector<bool> marked(rank);
  for (const std::int64_t axis : axes) {
    PUNCTUAL_ASSIGN(const std::size_t at, context.Axis(axis, rank));
    if (marked[at]) return context.Wrong("axis " + std::to_string(axis) + " is named twice");
    marked[at] = true;
  }
  return marked;
}

Result<void> InferSqueeze(InferContext& context) {
  PUNCTUAL_ASSIGN(const auto axes, IntsOf(context, "axes", 13));
  const Value& from = context.input(0);
  std::vector<bool> gone;
  if (axes != nullptr) {
    PUNCTUAL_ASSIGN(gone, Marked(context, *axes, from.dims.size()));
  } else {
    for (const std::int64_t dimension : from.dims) gone.push_back(dimension == 1);
  }
  Dims dims;
  for (std::size_t i = 0; i < from.dims.size(); ++i) {
    if (gone[i] && from.dims[i] != 1)
      return context.Wrong("axis " + std::to_string(i) + " of " + ShapeText(from.dims) + " is not 1");
    if (!gone[i]) dims.push_back(from.dims[i]);
  }
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> InferUnsqueeze(InferContext& context) {
  PUNCTUAL_ASSIGN(const auto axes, IntsOf(context, "axes", 13));
  if (axes == nullptr) return context.Wrong("has no axes");
  const Value& from = context.input(0);
  PUNCTUAL_ASSIGN(const auto added, Marked(context, *axes, from.dims.size() + axes->size()));
  Dims dims;
  auto next = from.dims.begin();
  for (const bool is_added : added) dims.push_back(is_added ? 1 : *next++);
  return context.SetOutput(0, from.type, std::move(dims));
}

Result<void> InferIdentity(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  return context.SetOutput(0, context.input(0).type, context.input(0).dims);
}

// Outside of training it lets everything pass.
Result<void> InferDropout(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 3));
  if (context.Has(2)) {
    const Value& training = context.input(2);
    if (training.constant == nullptr || training.type != ElementType::kBool || CountOf(training.dims) != 1 ||
        training.constant->values<std::uint8_t>()[0] != 0)
      return context.Unsupported("is in training mode; export the model for inference");
  }
  const Value& from = context.input(0);
  PUNCTUAL_TRY(context.SetOutput(0, from.type, from.dims));
  if (!context.HasOutput(1)) return {};
  if (context.node().opset < 10) return context.Unsupported("its mask is not supported before opset 10");
  PUNCTUAL_ASSIGN(const auto mask, context.NewConstant(ElementType::kBool, from.dims));
  std::ranges::fill(mask->mutable_values<std::uint8_t>(), std::uint8_t{1});
  return context.SetConstant(1, mask);
}

template <class T>
Result<void> SetNumbers(InferContext& context, Dims dims, std::span<const T> numbers) {
  PUNCTUAL_ASSIGN(const auto constant, context.NewConstant(kElementType<T>, std::move(dims)));
  std::ranges::copy(numbers, constant->template mutable_values<T>().begin());
  return context.SetConstant(0, constant);
}

Result<void> InferConstant(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(0, 0));
  const Node& node = context.node();
  if (node.attributes.size() != 1) return context.Wrong("must have one value");
  const Attribute& value = node.attributes.begin()->second;
  if (const auto* tensor = std::get_if<std::shared_ptr<const Constant>>(&value)) return context.SetConstant(0, *tensor);
  if (const auto* one = std::get_if<float>(&value)) return SetNumbers<float>(context, {}, {one, 1});
  if (const auto* one = std::get_if<std::int64_t>(&value)) return SetNumbers<std::int64_t>(context, {}, {one, 1});
  if (const auto* many = std::get_if<std::vector<float>>(&value))
    return SetNumbers<float>(context, {std::ssize(*many)}, *many);
  const auto& many = std::get<std::vector<std::int64_t>>(value);
  return SetNumbers<std::int64_t>(context, {std::ssize(many)}, many);
}

Result<void> InferShape(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  const Dims& dims = context.input(0).dims;
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto bounded = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const std::int64_t start = bounded(context.node().Int("start", 0));
  const std::int64_t end = std::max(start, bounded(context.node().Int("end", rank)));
  const Dims part(dims.begin() + start, dims.begin() + end);
  return SetNumbers<std::int64_t>(context, {end - start}, part);
}

Result<void> InferSize(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  const auto count = static_cast<std::int64_t>(CountOf(context.input(0).dims));
  return SetNumbers<std::int64_t>(context, {}, {&count, 1});
}

Result<void> InferConstantOfShape(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_ASSIGN(auto dims, context.ConstantInts(0));
  const Constant* value = context.node().Tensor("value");
  if (value != nullptr && value->count() != 1) return context.Wrong("its value must be one number");
  const ElementType type = value != nullptr ? value->type() : ElementType::kFloat32;
  PUNCTUAL_ASSIGN(const auto constant, context.NewConstant(type, std::move(dims)));
  if (value != nullptr)
    for (std::size_t i = 0; i < constant->count(); ++i)
      std::memcpy(constant->mutable_bytes().data() + i * SizeOf(type), value->bytes().data(), SizeOf(type));
  return context.SetConstant(0, constant);
}

Result<void> LowerSameBytes(const Node& node, PlanBuilder& builder) {
  if (node.output(0) != kNoValue) builder.Alias(node.outputs[0], node.inputs[0]);
  return {};
}

// infer knew the numbers.
Result<void> LowerNothing(const Node&, PlanBuilder&) { return {}; }

using enum AttributeKind;

constexpr KnownAttribute kOfReshapeOfOld[] = {{"shape", kInts}, {"consumed_inputs", kInts}};
constexpr KnownAttribute kOfReshape[] = {{"allowzero", kInt}};
constexpr KnownAttribute kAxis[] = {{"axis", kInt}};
constexpr KnownAttribute kAxes[] = {{"axes", kInts}};
constexpr KnownAttribute kOfDropout[] = {{"ratio", kFloat}, {"seed", kInt}};
constexpr KnownAttribute kOfConstant[] = {
    {"value", kTensor}, {"value_float", kFloat}, {"value_floats", kFloats}, {"value_int", kInt}, {"value_ints", kInts}};
constexpr KnownAttribute kOfShape[] = {{"start", kInt}, {"end", kInt}};
constexpr KnownAttribute kOfConstantOfShape[] = {{"value", kTensor}};

constexpr Operator kOperators[] = {
    {"", "Reshape", 1, 4, InferReshape, LowerSameBytes, kOfReshapeOfOld},
    {"", "Reshape", 5, kLatest, InferReshape, LowerSameBytes, kOfReshape},
    {"", "Flatten", 1, kLatest, InferFlatten, LowerSameBytes, kAxis},
    {"", "Squeeze", 1, 12, InferSqueeze, LowerSameBytes, kAxes},
    {"", "Squeeze", 13, kLatest, InferSqueeze, LowerSameBytes},
    {"", "Unsqueeze", 1, 12, InferUnsqueeze, LowerSameBytes, kAxes},
    {"", "Unsqueeze", 13, kLatest, InferUnsqueeze, LowerSameBytes},
    {"", "Identity", 1, kLatest, InferIdentity, LowerSameBytes, {}, true},
    {"", "Dropout", 7, kLatest, InferDropout, LowerSameBytes, kOfDropout, true},
    {"", "Constant", 1, kLatest, InferConstant, LowerNothing, kOfConstant},
    {"", "Shape", 1, kLatest, InferShape, LowerNothing, kOfShape},
    {"", "Size", 1, kLatest, InferSize, LowerNothing},
    {"", "ConstantOfShape", 9, kLatest, InferConstantOfShape, LowerNothing, kOfConstantOfShape},
};

}  // namespace

std::span<const Operator> ShapeOperators() { return kOperators; }

}  // namespace punctual::native
