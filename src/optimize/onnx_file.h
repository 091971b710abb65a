// What the quantiser reads of ONNX files: constants as numbers, who computes and who reads a value.
#pragma once

#include <onnx/onnx_pb.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/result.h"

namespace punctual::optimize {

// kInvalidArgument: no ONNX file; kFailedPrecondition, with the remedy: weights outside of the file, an opset below 13
// (there DequantizeLinear knows no channels), or codes that a quantiser put there.
Result<onnx::ModelProto> ParseForQuantizing(std::string_view onnx);

// ONNX's own operator of that type.
bool Is(const onnx::NodeProto& node, std::string_view type);
const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, std::string_view name);
std::int64_t IntOf(const onnx::NodeProto& node, std::string_view name, std::int64_t otherwise);
float FloatOf(const onnx::NodeProto& node, std::string_view name, float otherwise);
// Input i; empty: left out.
const std::string& InputOf(const onnx::NodeProto& node, int i);

struct FloatConstant {
  std::vector<std::int64_t> dims;
  std::vector<float> values;
};

// A graph's values by name. Refers to the graph, which must not change meanwhile. Immutable; thread-safe.
class GraphValues {
 public:
  explicit GraphValues(const onnx::GraphProto& graph);

  // The node whose output it is; -1: none.
  int Producer(const std::string& value) const;
  // Nodes that read it, each once, in the file's order; not those inside of subgraphs.
  const std::vector<int>& Readers(const std::string& value) const;
  // An output of the graph, or read inside of a subgraph (If, Loop, Scan): others see its numbers.
  bool IsSeen(const std::string& value) const { return seen_.contains(value); }

  // An initialiser or what a Constant node gives, perhaps through Identity; null: it is computed.
  const onnx::TensorProto* Constant(const std::string& value) const;
  // Its numbers. kInvalidArgument: it holds NaN or infinite numbers, or not as many as its shape says;
  // kFailedPrecondition: it is not of FLOAT. REQUIRES: Constant(value).
  Result<FloatConstant> Floats(const std::string& value) const;

 private:
  std::map<std::string, int> producers_;
  std::map<std::string, std::vector<int>> readers_;
  std::map<std::string, const onnx::TensorProto*> constants_;
  std::set<std::string> seen_;
};

// Names that nodes of a subgraph of `node` (If, Loop, Scan) read, at whatever depth; adds to `names`.
void AddNamesInSubgraphs(const onnx::NodeProto& node, std::set<std::string>& names);

}  // namespace punctual::optimize
