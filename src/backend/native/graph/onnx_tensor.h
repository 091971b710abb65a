// The numbers that an ONNX file carries: initialisers, and the values of Constant nodes.
#pragma once

#include <memory>
#include <string>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace onnx {
class TensorProto;
}

namespace punctual::native {

enum class Infinities { kRefused, kAllowed };

// Checks everything before it takes room. float16 is widened to float, which holds it exactly. `what` begins messages:
// `initializer "w"`. kInvalidArgument: shape and data do not fit, NaN, or infinities that are refused;
// kFailedPrecondition: data outside of the file, or of a type that a graph has not.
Result<std::shared_ptr<const Constant>> ReadTensor(const onnx::TensorProto& tensor, const std::string& what,
                                                   const Limits& limits, Infinities infinities);

}  // namespace punctual::native
