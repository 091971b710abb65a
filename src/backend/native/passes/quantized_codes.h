// What passes/fuse_quantized.cc does to codes before it looks for layers.
#pragma once

#include "backend/native/graph/graph.h"

namespace punctual::native::quantized {

// What only arranges numbers (Reshape, Transpose, ...) arranges the codes behind them, and DequantizeLinear comes after
// it; QuantizeLinear of what DequantizeLinear made, in the same way, goes. Both change no bit.
void MoveCodes(Graph& graph);

// Int8 codes that nobody but DequantizeLinear reads become uint8: 128 more, as their zero points. Kernels multiply
// unsigned codes with signed weights. No number changes.
void MakeCodesUnsigned(Graph& graph);

}  // namespace punctual::native::quantized
