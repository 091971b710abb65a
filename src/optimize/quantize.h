// Makes int8 files of ONNX files in float: what a Conv, Gemm or MatMul with constant weights reads goes through
// QuantizeLinear and DequantizeLinear, as do its weights, so that engines compute it with integers ("QDQ" files).
//
// - Weights: int8, a scale an output channel, codes from -64 to 64: two products of such a code and an activation's fit
//   into 16 bits (2 * 255 * 64 < 2^15), as instructions without VNNI add them (vpmaddubsw).
// - Activations: uint8, one scale and zero point a value. They stand right behind the node that computes the value, in
//   front of what only arranges numbers and of MaxPool (behind MaxPool and Transpose, the same once more): there the
//   native backend makes them part of the layer before. Who else reads the value reads it in float.
// - Biases of Conv and Gemm: int32, in steps of the sums. A bias that is added behind a MatMul stays in float.
// - LSTM and GRU stay in float: there are no int8 kernels of them, and what codes of their weights alone would save is
//   the size of a file, for less exact answers at the same speed.
//
// The batch stays open; inputs, outputs and the names of what stays are those of the file in float.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/calibrate.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct QuantizeOptions {
  std::set<std::string> in_float;  // layers, by the names of ListLayers, that stay as they are
  // Codes also behind each layer and activation, whoever reads them: ONNX Runtime's int8 kernels want to see them
  // there. Ours and OpenVINO's do not, and answers become less exact.
  bool also_behind = false;
};

// The reason of layers that QuantizeOptions::in_float names.
inline constexpr const char* kLeftInFloat = "to be faithful enough";

struct LayerReport {
  std::string name;         // of the node; where it has none of its own, of its output
  std::string type;         // Conv, Gemm or MatMul
  std::size_t weights = 0;  // 0: not constant
  std::string reason;       // why it stays in float; empty: it is computed with codes
};

struct QuantizedFile {
  std::string onnx;
  std::vector<LayerReport> layers;  // in the file's order
};

// Every Conv, Gemm and MatMul of the file, with the reasons why some cannot have codes whatever the ranges. Errors: as
// for Quantize.
Result<std::vector<LayerReport>> ListLayers(std::string_view onnx);

// `ranges`: of the values that Calibrate watched in this very file. A layer whose input has no range stays in float.
// kInvalidArgument: the file or a weight is broken, or `in_float` names no layer; kFailedPrecondition, with the remedy:
// an opset below 13, weights outside of the file, a file that is quantised already, or nothing to quantise. Of equal
// arguments the bytes are equal.
Result<QuantizedFile> Quantize(std::string_view onnx, const ValueRanges& ranges, const QuantizeOptions& options = {});

}  // namespace punctual::optimize
