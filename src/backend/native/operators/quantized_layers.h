// Layers that compute with codes, made by passes/fuse_quantized.cc and never read from a file.
//
// QuantizedGemm: inputs
//   0  x           uint8 [..., depth]
//   1  weights     int8 [channels, depth], constant
//   2  bias        int32 [channels], constant: with x's zero point in it (Int8ToCodes::bias)
//   3  multiplier  int32 [channels], constant: the output is codes, uint8; or
//      scale       float [channels], constant: the output is floats
//   4  offset      float [channels], constant, optional; with codes it is
//      negative    int32 [channels], constant, optional: Int8ToCodes::negative
// and attributes: of codes the integers shift, zero_point, low, high; of floats the floats slope, low, high (left out:
// 1, no bounds). Output: [..., channels]. The formulas are those of kernels/int8_gemm.h.
//
// QuantizedConv: the same but for
//   0  x           uint8 [batch, sizes..., depth]: channels stand last
//   1  weights     int8 [channels, kernel..., depth], constant
// and the further attributes of windows (operators/window.h) over one or two spatial axes and x_zero_point, which is
// what padding is made of. Output: [batch, sizes..., channels].
#pragma once

#include "backend/native/operators/operator.h"

namespace punctual::native {

Result<void> InferQuantizedGemm(InferContext& context);
Result<void> LowerQuantizedGemm(const Node& node, PlanBuilder& builder);
Result<void> InferQuantizedConv(InferContext& context);
Result<void> LowerQuantizedConv(const Node& node, PlanBuilder& builder);

}  // namespace punctual::native
