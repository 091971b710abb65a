// The attributes of an ONNX node.
#pragma once

#include <string>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace onnx {
class NodeProto;
}

namespace punctual::native {

// `what` begins messages: `node "conv1" (Conv)`. kInvalidArgument: an attribute stands there twice, or is none;
// kFailedPrecondition: it holds a graph, or another thing that no operator here knows.
Result<Attributes> ReadAttributes(const onnx::NodeProto& node, const std::string& what, const Limits& limits);

}  // namespace punctual::native
