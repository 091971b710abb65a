// The families of operators, a file each; operators.cc puts them into one table.
#pragma once

#include <span>

#include "backend/native/operators/operator.h"

namespace punctual::native {

std::span<const Operator> ElementwiseOperators();    // Add, Sub, Mul, Div and what else computes number by number
std::span<const Operator> ActivationOperators();     // Relu and its like
std::span<const Operator> SoftmaxOperators();        // Softmax, LogSoftmax
std::span<const Operator> MatmulOperators();         // Gemm, MatMul
std::span<const Operator> ConvolutionOperators();    // Conv
std::span<const Operator> PoolingOperators();        // MaxPool, AveragePool, GlobalAveragePool
std::span<const Operator> NormalizationOperators();  // BatchNormalization, LayerNormalization
std::span<const Operator> RecurrentOperators();      // LSTM, GRU
std::span<const Operator> ShapeOperators();      // what only says how numbers are arranged: Reshape, Flatten, Squeeze,
                                                 // Unsqueeze, Identity, Dropout, Constant
std::span<const Operator> LayoutOperators();     // what moves numbers: Transpose, Concat, Split, Slice, Gather
std::span<const Operator> ReductionOperators();  // ReduceMean, ReduceSum, ReduceMax, ArgMax
std::span<const Operator> CastOperators();       // Cast
std::span<const Operator> QuantizationOperators();   // QuantizeLinear, DequantizeLinear, and what computes with codes
std::span<const Operator> TreesOperators();          // TreeEnsembleClassifier, TreeEnsembleRegressor
std::span<const Operator> PreprocessingOperators();  // Scaler, Normalizer, ZipMap

}  // namespace punctual::native
