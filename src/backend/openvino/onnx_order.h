// What OpenVINO's reader of ONNX files must not be given.
#pragma once

#include <string_view>

#include "punctual/result.h"

namespace punctual {

// kInvalidArgument: nodes that wait for each other in a circle, in the graph or one inside of it. OpenVINO (2026.4.1)
// does not come back from such a file, and takes memory without end. Of bytes that are no ONNX file nothing is said.
Result<void> CheckOrder(std::string_view onnx);

}  // namespace punctual
