// Small ONNX files for tests, made on the spot.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/input_quantizer.h"

namespace punctual::test {

// probabilities = Softmax(x W + b): input "book" [N, inputs], output "probabilities" [N, outputs] (N open).
// W[i][o] = weight * ((i * 7 + o * 3) % 11 - 5) / inputs, b[o] = o / 10.
std::string LinearModel(int inputs, int outputs, double weight = 1.0);

// What LinearModel computes, in double.
std::vector<double> LinearModelReference(const std::vector<float>& x, int outputs, double weight = 1.0);

// y = Log(x): not finite where x <= 0. Input "book" [N, inputs], output "probabilities" [N, inputs].
std::string LogModel(int inputs);

// y = x x: not finite beyond 1e19, and the same bit for bit whatever runs beside it. Names and shapes as LogModel's.
std::string SquareModel(int inputs);

// x and y are summed: inputs "x" FP32 [N, size] and "count" INT64 [N, size], output "sum" FP32 [N, size].
std::string TwoInputModel(int size);

// y = Softmax(x) over the members of a batch: alone, a member is all 1. Input "book" [N, inputs], output
// "probabilities" [N, inputs].
std::string BatchMixingModel(int inputs);

// LogModel for one question at a time: input and output [1, inputs].
std::string FixedBatchModel(int inputs);

// LinearModel behind a quantiser: input "book" [N, inputs] -> QuantizeLinear "quantize" -> DequantizeLinear -> the
// rest. `steps`: one, or one a column.
std::string QuantizedModel(int inputs, int outputs, CodeType type, const std::vector<InputQuantizer::Step>& steps);

}  // namespace punctual::test
