// What an ONNX file declares about its inputs and outputs.
#pragma once

#include <cstdint>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace onnx {
class ValueInfoProto;
}

namespace punctual::native {

struct DeclaredInput {
  Value value;
  bool batch_is_open = false;  // its first dimension is, and became `batch`
};

// kInvalidArgument: no type or shape, an open dimension that is not the first, a dimension below zero, too large;
// kFailedPrecondition: no tensor, or of a type that graphs have not.
Result<DeclaredInput> ReadInput(const onnx::ValueInfoProto& input, std::int64_t batch, const Limits& limits);

// kFailedPrecondition if an output is declared to hold strings, as labels of classifiers may.
Result<void> ExpectNoStrings(const onnx::ValueInfoProto& output);

// kInvalidArgument if what is declared about an output is not what comes out. What is not declared, fits; so do
// sequences (of maps), since their tensors are served instead.
Result<void> ExpectDeclared(const onnx::ValueInfoProto& output, const Value& value);

}  // namespace punctual::native
