#include "backend/native/graph/graph.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace punctual::native {

namespace {

constexpr std::size_t kAlignment = 64;
// Kernels may read and write a vector beyond the end (plan/step.h).
constexpr std::size_t kSlack = 64;

template <class T>
const T* Find(const Attributes& attributes, std::string_view name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

std::string_view NameOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat32: return "float";
    case ElementType::kFloat64: return "double";
    case ElementType::kInt32: return "int32";
    case ElementType::kInt64: return "int64";
    case ElementType::kInt8: return "int8";
    case ElementType::kUint8: return "uint8";
    case ElementType::kBool: return "bool";
  }
  return "unknown";
}

std::size_t CountOf(const Dims& dims) {
  std::size_t count = 1;
  for (const std::int64_t dimension : dims) count *= static_cast<std::size_t>(dimension);
  return count;
}

Result<std::size_t> CheckedCount(const Dims& dims, const Limits& limits) {
  if (dims.size() > limits.max_rank)
    return Fail(Code::kInvalidArgument,
                "shape " + ShapeText(dims) + " has more than " + std::to_string(limits.max_rank) + " dimensions");
  std::size_t count = 1;
  bool is_empty = false;
  for (const std::int64_t dimension : dims) {
    if (dimension < 0) return Fail(Code::kInvalidArgument, "shape " + ShapeText(dims) + " has a negative dimension");
    is_empty = is_empty || dimension == 0;
    // Also of empty ones, so that their other dimensions can be multiplied without a look.
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(dimension, 1));
    if (size > limits.max_elements / count)
      return Fail(Code::kInvalidArgument,
                  "shape " + ShapeText(dims) + " has more than " + std::to_string(limits.max_elements) + " elements");
    count *= size;
  }
  return is_empty ? 0 : count;
}

Constant::Constant(ElementType type, Dims dims) : type_(type), dims_(std::move(dims)), count_(CountOf(dims_)) {
  const std::size_t bytes = count_ * SizeOf(type_) + kSlack;
  bytes_.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t(kAlignment))));
  std::memset(bytes_.get(), 0, bytes);
}

std::int64_t Node::Int(std::string_view attribute, std::int64_t otherwise) const {
  const auto* found = Find<std::int64_t>(attributes, attribute);
  return found == nullptr ? otherwise : *found;
}

float Node::Float(std::string_view attribute, float otherwise) const {
  const auto* found = Find<float>(attributes, attribute);
  return found == nullptr ? otherwise : *found;
}

std::string Node::String(std::string_view attribute, std::string otherwise) const {
  const auto* found = Find<std::string>(attributes, attribute);
  return found == nullptr ? std::move(otherwise) : *found;
}

const std::vector<std::int64_t>* Node::Ints(std::string_view attribute) const {
  return Find<std::vector<std::int64_t>>(attributes, attribute);
}

const std::vector<float>* Node::Floats(std::string_view attribute) const {
  return Find<std::vector<float>>(attributes, attribute);
}

const std::vector<std::string>* Node::Strings(std::string_view attribute) const {
  return Find<std::vector<std::string>>(attributes, attribute);
}

const Constant* Node::Tensor(std::string_view attribute) const {
  const auto* found = Find<std::shared_ptr<const Constant>>(attributes, attribute);
  return found == nullptr ? nullptr : found->get();
}

ValueId Graph::Add(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size() - 1);
}

std::vector<std::vector<std::size_t>> Graph::Readers() const {
  std::vector<std::vector<std::size_t>> readers(values.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const ValueId input : nodes[i].inputs)
      if (input != kNoValue) readers[input].push_back(i);
  return readers;
}

std::vector<std::size_t> Graph::Producers() const {
  std::vector<std::size_t> producers(values.size(), SIZE_MAX);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const ValueId output : nodes[i].outputs)
      if (output != kNoValue) producers[output] = i;
  return producers;
}

bool Graph::IsOutput(ValueId id) const { return std::find(outputs.begin(), outputs.end(), id) != outputs.end(); }

}  // namespace punctual::native
