// What the native backend knows about an operator: how to check a node and say what comes out of it (infer), and which
// steps compute it (lower). One table, operators.cc, lists them all; each family has a file of its own.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native {

class PlanBuilder;  // plan/plan_builder.h

// What infer sees of a node: its inputs' types, shapes and, where known, numbers; it sets its outputs' types and
// shapes.
class InferContext {
 public:
  InferContext(Graph& graph, const Node& node, const Limits& limits) : graph_(graph), node_(node), limits_(limits) {}

  const Node& node() const { return node_; }
  std::size_t input_count() const { return node_.inputs.size(); }
  std::size_t output_count() const { return node_.outputs.size(); }
  bool Has(std::size_t input) const { return node_.input(input) != kNoValue; }
  // REQUIRES: Has(i).
  const Value& input(std::size_t i) const { return graph_.values[node_.inputs[i]]; }
  const std::vector<Value>& values() const { return graph_.values; }
  bool HasOutput(std::size_t output) const { return node_.output(output) != kNoValue; }

  // kInvalidArgument unless the node has `least` to `most` inputs, and the first `least` are not left out.
  Result<void> ExpectInputs(std::size_t least, std::size_t most) const;
  // kFailedPrecondition ("... of type int64 is not supported") unless input i is one of `types`.
  Result<void> ExpectType(std::size_t i, std::initializer_list<ElementType> types) const;
  // The numbers of a constant int64 or int32 input of one dimension; kFailedPrecondition if it is only known when the
  // model runs.
  Result<std::vector<std::int64_t>> ConstantInts(std::size_t i) const;
  // The axis of an input's rank, negative ones from the end; kInvalidArgument if there is none.
  Result<std::size_t> Axis(std::int64_t axis, std::size_t rank) const;

  // Of output i, if the node has it. Checks the limits.
  Result<void> SetOutput(std::size_t i, ElementType type, Dims dims);
  // The same for an output whose numbers are known already. The node's lower has nothing to do for it.
  Result<void> SetConstant(std::size_t i, std::shared_ptr<const Constant> constant);
  // For constants that infer makes: their shape, checked before it takes room. Zero-filled.
  Result<std::shared_ptr<Constant>> NewConstant(ElementType type, Dims dims) const;

  // "node "conv1" (Conv): " before what is wrong.
  Error Wrong(const std::string& what) const;        // kInvalidArgument
  Error Unsupported(const std::string& what) const;  // kFailedPrecondition

 private:
  Graph& graph_;
  const Node& node_;
  const Limits& limits_;
};

// The kinds of attributes, in Attribute's order.
enum class AttributeKind { kInt, kFloat, kString, kTensor, kInts, kFloats, kStrings };

struct KnownAttribute {
  std::string_view name;
  AttributeKind kind;
};

inline constexpr int kLatest = std::numeric_limits<int>::max();

struct Operator {
  std::string_view domain;  // "": ONNX's own; "ai.onnx.ml"; "punctual": made by the passes, never read from a file
  std::string_view type;
  int since = 1;  // the opsets of the domain whose meaning is implemented
  int until = kLatest;
  Result<void> (*infer)(InferContext& context);
  // Adds the steps that compute the node. Everything was checked by infer; kFailedPrecondition: still not possible.
  Result<void> (*lower)(const Node& node, PlanBuilder& builder);
  // Those that a node may have; one of two kinds stands here twice. Others are refused before infer is called: they may
  // mean anything. What makes no difference to what we compute stands here too, and nobody reads it.
  std::span<const KnownAttribute> attributes = {};
  // Its first output has one number for each of its inputs' numbers, with broadcasting, wherever it stands.
  bool is_elementwise = false;
};

// The operator of that name and opset; null: the native backend has none. For "punctual" the opset is 1.
const Operator* FindOperator(std::string_view domain, std::string_view type, int opset);
// All of them, in the table's order.
std::span<const Operator> AllOperators();

// Broadcasting of two shapes as in numpy; empty result: they do not fit.
bool Broadcast(const Dims& a, const Dims& b, Dims& result);

}  // namespace punctual::native
