// Computes ONNX models in double precision, operator by operator as ONNX defines them: what benchmarks measure errors
// against. Made for the models of make_model, which it trusts: a file that is not
// valid ONNX is undefined behaviour. Slow, and plain on purpose.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "punctual/result.h"

namespace punctual {

// Row-major. Whole numbers and codes are doubles too.
struct DoubleTensor {
  std::vector<std::int64_t> dims;
  std::vector<double> values;

  DoubleTensor() = default;
  explicit DoubleTensor(std::vector<std::int64_t> shape);  // zeros
  std::int64_t rank() const { return static_cast<std::int64_t>(dims.size()); }
  // The product of the dimensions from `first` to before `last`.
  std::int64_t Span(std::int64_t first, std::int64_t last) const;
  std::int64_t Axis(std::int64_t axis) const { return axis < 0 ? axis + rank() : axis; }
};

using DoubleValues = std::map<std::string, DoubleTensor>;

// A node with its inputs; what an operator computes from.
struct ReferenceNode {
  const onnx::NodeProto& proto;
  std::vector<const DoubleTensor*> inputs;         // null: left out
  std::vector<onnx::TensorProto::DataType> types;  // of the inputs that are constants, else UNDEFINED

  bool Has(std::size_t input) const { return input < inputs.size() && inputs[input] != nullptr; }
  const DoubleTensor& operator[](std::size_t input) const { return *inputs[input]; }
  const onnx::AttributeProto* Find(const char* attribute) const;
  std::int64_t Int(const char* attribute, std::int64_t otherwise) const;
  double Float(const char* attribute, double otherwise) const;
  std::string String(const char* attribute, const std::string& otherwise) const;
  std::vector<std::int64_t> Ints(const char* attribute, std::vector<std::int64_t> otherwise = {}) const;
  std::span<const float> Floats(const char* attribute) const;
  // Numbers that newer opsets take as input `i` and older ones as the attribute.
  std::vector<std::int64_t> Numbers(std::size_t i, const char* attribute) const;
};

using ReferenceOperator = std::function<std::vector<DoubleTensor>(const ReferenceNode&)>;
using ReferenceOperators = std::map<std::string, ReferenceOperator>;
const ReferenceOperators& ElementwiseReference();
const ReferenceOperators& ArrangingReference();
const ReferenceOperators& LayerReference();
const ReferenceOperators& TreeReference();

// Of a tensor of a file.
DoubleTensor ToDouble(const onnx::TensorProto& tensor);

// All values of the graph, for these inputs. kFailedPrecondition names an operator that there is no reference of.
Result<DoubleValues> ComputeReference(const onnx::GraphProto& graph, const DoubleValues& inputs);

// The random input number `index` that models are measured with: normally distributed, and exact in float.
DoubleValues ReferenceInput(const onnx::GraphProto& graph, std::uint32_t index);

}  // namespace punctual
