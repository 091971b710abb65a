#include <algorithm>

#include "backend/native/operators/operator.h"

namespace punctual::native {

Error InferContext::Wrong(const std::string& what) const {
  return Fail(Code::kInvalidArgument, "node \"" + node_.name + "\" (" + std::string(node_.op->type) + "): " + what);
}

Error InferContext::Unsupported(const std::string& what) const {
  return Fail(Code::kFailedPrecondition, "node \"" + node_.name + "\" (" + std::string(node_.op->type) + "): " + what);
}

Result<void> InferContext::ExpectInputs(std::size_t least, std::size_t most) const {
  if (input_count() > most)
    return Wrong("has " + std::to_string(input_count()) + " inputs, at most " + std::to_string(most) + " are known");
  for (std::size_t i = 0; i < least; ++i)
    if (!Has(i)) return Wrong("input " + std::to_string(i) + " is missing");
  return {};
}

Result<void> InferContext::ExpectType(std::size_t i, std::initializer_list<ElementType> types) const {
  const ElementType type = input(i).type;
  if (std::find(types.begin(), types.end(), type) != types.end()) return {};
  std::string known;
  for (const ElementType one : types) known += (known.empty() ? "" : ", ") + std::string(NameOf(one));
  return Unsupported("input \"" + input(i).name + "\" of type " + std::string(NameOf(type)) +
                     " is not supported; supported: " + known);
}

Result<std::vector<std::int64_t>> InferContext::ConstantInts(std::size_t i) const {
  const Value& value = input(i);
  if (value.constant == nullptr)
    return Unsupported("input \"" + value.name + "\" is only known when the model runs; it must be a constant");
  if (value.dims.size() != 1)
    return Wrong("input \"" + value.name + "\" has shape " + ShapeText(value.dims) + ", it must be a list of numbers");
  if (value.type == ElementType::kInt64) {
    const auto values = value.constant->values<std::int64_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  }
  if (value.type == ElementType::kInt32) {
    const auto values = value.constant->values<std::int32_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  }
  return Wrong("input \"" + value.name + "\" is of type " + std::string(NameOf(value.type)) +
               ", it must be int64 or int32");
}

Result<std::size_t> InferContext::Axis(std::int64_t axis, std::size_t rank) const {
  const auto signed_rank = static_cast<std::int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank)
    return Wrong("axis " + std::to_string(axis) + " of a value with " + std::to_string(rank) + " dimensions");
  return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
}

Result<void> InferContext::SetOutput(std::size_t i, ElementType type, Dims dims) {
  if (!HasOutput(i)) return {};
  if (const auto count = CheckedCount(dims, limits_); count.has_error())
    return Wrong("output " + std::to_string(i) + ": " + count.error().message);
  Value& value = graph_.values[node_.outputs[i]];
  value.type = type;
  value.dims = std::move(dims);
  return {};
}

Result<void> InferContext::SetConstant(std::size_t i, std::shared_ptr<const Constant> constant) {
  PUNCTUAL_TRY(SetOutput(i, constant->type(), constant->dims()));
  if (HasOutput(i)) graph_.values[node_.outputs[i]].constant = std::move(constant);
  return {};
}

Result<std::shared_ptr<Constant>> InferContext::NewConstant(ElementType type, Dims dims) const {
  if (const auto count = CheckedCount(dims, limits_); count.has_error()) return Wrong(count.error().message);
  if (CountOf(dims) * SizeOf(type) > limits_.max_kept_bytes)
    return Wrong("a constant of shape " + ShapeText(dims) + " takes more than " +
                 std::to_string(limits_.max_kept_bytes) + " bytes");
  return std::make_shared<Constant>(type, std::move(dims));
}

}  // namespace punctual::native
