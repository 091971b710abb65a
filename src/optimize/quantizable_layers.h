// The layers of a graph that can be computed with codes, and what the quantiser needs of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "optimize/onnx_file.h"
#include "punctual/result.h"

namespace punctual::optimize {

// A Conv, Gemm or MatMul that multiplies something with weights.
struct WeightedLayer {
  int node = 0;             // of the graph
  std::string name;         // the node's, or, if it has none of its own, its output's: unique in the graph
  std::size_t weights = 0;  // how many; 0 if they are not constant
  std::string reason;       // why it must stay in float; empty: it need not
  // Of one that can have codes:
  FloatConstant numbers;                   // the weights, as the node reads them; a Gemm's alpha is in them
  int channel_axis = 0;                    // of `numbers`
  std::optional<std::vector<float>> bias;  // by channel; a Gemm's beta is in it

  std::size_t channels() const {
    return static_cast<std::size_t>(numbers.dims[static_cast<std::size_t>(channel_axis)]);
  }
};

// All of them, in the order of the graph. kInvalidArgument: weights or a bias are broken (GraphValues::Floats).
Result<std::vector<WeightedLayer>> FindWeightedLayers(const onnx::GraphProto& graph, const GraphValues& values);

// kFailedPrecondition, with what there is and why it stays in float, if none can have codes.
Result<void> ExpectLayers(const std::vector<WeightedLayer>& layers);

// ONNX Runtime's int8 kernels want codes behind such a node too.
bool MayHaveCodesBehind(const onnx::NodeProto& node);

// Its output has the numbers of its first input, all of them, in another order or shape.
bool Arranges(const onnx::NodeProto& node);
// A MaxPool whose numbers are some of its input's: it works on codes as on numbers.
bool PicksLargest(const onnx::NodeProto& node);

// The value whose range tells the codes of `value`: before everything that only arranges, or picks from, it.
std::string RangeSource(const onnx::GraphProto& graph, const GraphValues& values, std::string value);

}  // namespace punctual::optimize
