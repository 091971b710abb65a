// From the bytes of an ONNX file to a graph. The file is outside input: everything is checked before it is used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backend/native/graph/graph.h"

namespace punctual::native {

struct ReadOptions {
  std::int64_t batch = 1;  // what an open first dimension of the inputs becomes
  Limits limits;
};

struct ReadModel {
  Graph graph;
  bool batch_is_open = false;  // every input leaves its first dimension open
};

// kInvalidArgument: not ONNX, or beyond the limits, or wrong (cycles, values that nobody computes, weights that are
// missing, outside the file or not finite, shapes that do not fit); the message names `where`, the node and what to do.
// kFailedPrecondition: an operator, or a use of one, that the native backend does not know; the message names it.
Result<ReadModel> ReadOnnx(std::string_view onnx, const std::string& where, const ReadOptions& options = {});

}  // namespace punctual::native
