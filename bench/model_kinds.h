// The models that make_model can write. All weights are random, and the same each time; the batch is open.
#pragma once

#include "model/onnx_graph.h"
#include "punctual/result.h"

namespace punctual {

// Gemm and Relu in turns, no Relu at the end: "x" [N, first width] to "y" [N, last width].
OnnxGraph MakePerceptron(const std::vector<std::int64_t>& widths);

// DeepLOB (Zhang, Zohren, Roberts, 2019) as its authors' code has it. `filters`: of its blocks of convolutions; the
// inception's branches have twice as many. "x" [N, 1, 100, 40] to "y" [N, 3]; `of_books`: "book" [N, 100, 40] to
// "probabilities" [N, 3], as the served models have them.
OnnxGraph MakeDeepLob(std::int64_t filters, bool of_books);

// Layers of LSTMs, the last one's last step classified: "x" [N, steps, inputs] to "y" [N, 3].
OnnxGraph MakeLstm(std::int64_t steps, std::int64_t inputs, std::int64_t layers, std::int64_t hidden);

// Three causal convolutions of 128 channels and 8 taps, dilated by 1, 2 and 4, the last step classified: "x"
// [N, 100, 40] to "y" [N, 3].
OnnxGraph MakeTcn();

// Two layers of attention with 4 heads and of width 64, their mean over time classified: "x" [N, 100, 40] to "y" [N,
// 3].
OnnxGraph MakeTransformer();

// Balanced trees over 40 columns: "x" [N, 40]. The regressor gives "y" [N, 1]; the classifier of two classes gives
// "label" [N] and "probabilities" [N, 2].
OnnxGraph MakeTreeRegressor(std::int64_t trees, std::int64_t depth);
OnnxGraph MakeTreeClassifier(std::int64_t trees, std::int64_t depth);

// The model as `punctual optimize` quantises it (src/optimize/quantize.h), by the ranges on random inputs: the file's
// bytes. `behind`: also what Conv and activations give, which ONNX Runtime's kernels need to see. Error: see Quantize.
Result<std::string> Quantized(const OnnxGraph& model, bool behind);

}  // namespace punctual
