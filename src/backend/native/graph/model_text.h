// For tests: models written down in protobuf's text form.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>

#include "backend/native/graph/onnx_reader.h"

namespace punctual::native::test {

// An input x of floats, [N, 3]; a node that makes y of it; an output y.
inline constexpr char kX[] =
    R"(input { name: "x" type { tensor_type { elem_type: 1 shape { dim { dim_param: "N" } dim { dim_value: 3 } } } } })";
inline constexpr char kXToY[] = R"(node { op_type: "Identity" name: "same" input: "x" output: "y" })";
inline constexpr char kY[] = R"(output { name: "y" type { tensor_type { elem_type: 1 } } })";

// A file of which `graph` is the graph.
onnx::ModelProto ModelOf(const std::string& graph, const std::string& around = "opset_import { version: 17 }");

// Reads it as "m.onnx".
Result<ReadModel> Read(const onnx::ModelProto& model, const ReadOptions& options = {});
Result<ReadModel> Read(const std::string& graph, const ReadOptions& options = {});

void ExpectError(const Result<ReadModel>& read, Code code, const std::string& says);
// Of a graph: kInvalidArgument, kFailedPrecondition.
void ExpectWrong(const std::string& graph, const std::string& says);
void ExpectUnsupported(const std::string& graph, const std::string& says);

}  // namespace punctual::native::test
