// The intermediate form of a model: a checked, static graph. Every value has a type and a shape of numbers (a graph is
// made for one batch size), nodes stand in an order in which they can be computed, and what is constant is known.
//
// Values, not thread-safe for writing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "backend/native/graph/element_type.h"
#include "punctual/result.h"
#include "punctual/tensor.h"

namespace punctual::native {

struct Operator;  // operators/operator.h

using Dims = std::vector<std::int64_t>;  // outermost first, each >= 0; row-major; empty: a scalar

// Elements of `dims`. REQUIRES: they were checked (CheckedCount); so it does not overflow.
std::size_t CountOf(const Dims& dims);

// Bounds of what a model file may ask for; a file beyond them is refused.
struct Limits {
  std::size_t max_nodes = 100'000;
  std::size_t max_rank = 8;
  std::size_t max_elements = std::size_t{1} << 28;     // of one value
  std::size_t max_arena_bytes = std::size_t{1} << 31;  // of all values of a plan that live at once
  // Of the constants that are computed when a file is read; of those that nodes read, counted for each that does; and
  // of what a plan keeps beside them (packed weights, tables of places).
  std::size_t max_kept_bytes = std::size_t{1} << 30;
};

// Elements of `dims`; kInvalidArgument if a dimension is negative, or rank or count pass `limits`.
Result<std::size_t> CheckedCount(const Dims& dims, const Limits& limits = {});

// The numbers of a constant, aligned for any kernel (64 bytes). Immutable once it is in a graph.
class Constant {
 public:
  // Zero-filled. REQUIRES: CheckedCount(dims) succeeds.
  Constant(ElementType type, Dims dims);

  ElementType type() const { return type_; }
  const Dims& dims() const { return dims_; }
  std::size_t count() const { return count_; }
  std::span<const std::byte> bytes() const { return {bytes_.get(), count_ * SizeOf(type_)}; }
  std::span<std::byte> mutable_bytes() { return {bytes_.get(), count_ * SizeOf(type_)}; }
  // REQUIRES: type() is T's.
  template <class T>
  std::span<const T> values() const {
    return {reinterpret_cast<const T*>(bytes_.get()), count_};
  }
  template <class T>
  std::span<T> mutable_values() {
    return {reinterpret_cast<T*>(bytes_.get()), count_};
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t(64)); }
  };
  ElementType type_;
  Dims dims_;
  std::size_t count_;
  std::unique_ptr<std::byte[], Free> bytes_;
};

using ValueId = std::uint32_t;
inline constexpr ValueId kNoValue = UINT32_MAX;  // an optional input or output that is left out

struct Value {
  std::string name;
  ElementType type = ElementType::kFloat32;
  Dims dims;
  std::shared_ptr<const Constant> constant;  // null: computed, or an input
};

// Of a node. Numbers keep ONNX's kinds: INT, FLOAT, STRING, TENSOR, INTS, FLOATS, STRINGS.
using Attribute = std::variant<std::int64_t, float, std::string, std::shared_ptr<const Constant>,
                               std::vector<std::int64_t>, std::vector<float>, std::vector<std::string>>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

struct Node {
  const Operator* op = nullptr;
  std::string name;  // for messages; of the file, or of its first output
  int opset = 0;     // of its domain, as the file declares it
  Attributes attributes;
  std::vector<ValueId> inputs, outputs;

  // The attribute, or `otherwise` if it is left out. REQUIRES for the first three: it has that kind (InferNode checked
  // it).
  std::int64_t Int(std::string_view attribute, std::int64_t otherwise) const;
  float Float(std::string_view attribute, float otherwise) const;
  std::string String(std::string_view attribute, std::string otherwise) const;
  const std::vector<std::int64_t>* Ints(std::string_view attribute) const;  // null: left out, or of another kind
  const std::vector<float>* Floats(std::string_view attribute) const;
  const std::vector<std::string>* Strings(std::string_view attribute) const;
  const Constant* Tensor(std::string_view attribute) const;

  ValueId input(std::size_t i) const { return i < inputs.size() ? inputs[i] : kNoValue; }
  ValueId output(std::size_t i) const { return i < outputs.size() ? outputs[i] : kNoValue; }
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;  // each after those that compute its inputs
  std::vector<ValueId> inputs, outputs;

  ValueId Add(Value value);
  // For each value, the nodes that read it (a node once for each input that it is), by index.
  std::vector<std::vector<std::size_t>> Readers() const;
  // For each value, the node that computes it; SIZE_MAX: none does.
  std::vector<std::size_t> Producers() const;
  bool IsOutput(ValueId id) const;
};

}  // namespace punctual::native
