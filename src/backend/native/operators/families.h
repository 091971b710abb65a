// The families of operators, a file each; operators.cc puts them into one table.
#pragma once

#include <span>

#include "backend/native/operators/operator.h"

namespace punctual::native {

std::span<const Operator> ElementwiseOperators();    // number by number, of several values
std::span<const Operator> ActivationOperators();     // number by number, of one value
std::span<const Operator> SoftmaxOperators();        // shares of a whole, along an axis
std::span<const Operator> MatmulOperators();         // products of matrices
std::span<const Operator> ConvolutionOperators();    // products of windows with weights
std::span<const Operator> PoolingOperators();        // the most or the mean of windows
std::span<const Operator> NormalizationOperators();  // to mean 0 and deviation 1
std::span<const Operator> RecurrentOperators();      // step after step, with a state
std::span<const Operator> ShapeOperators();          // what only says how numbers are arranged, and takes no time
std::span<const Operator> LayoutOperators();         // what moves numbers, and looks at none
std::span<const Operator> ReductionOperators();      // many numbers to one, or to where it stands
std::span<const Operator> CastOperators();           // from type to type
std::span<const Operator> QuantizationOperators();   // numbers to codes and back, and what computes with codes
std::span<const Operator> TreesOperators();          // ensembles of trees (ai.onnx.ml)
std::span<const Operator> PreprocessingOperators();  // what stands around models of scikit-learn (ai.onnx.ml)

}  // namespace punctual::native
