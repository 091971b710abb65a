// Students as ONNX files: the model's output, name and shape, from what the student sees. The batch is open, all
// numbers are float32.
#pragma once

#include <string>

#include "optimize/boosted_trees.h"
#include "optimize/mlp.h"
#include "optimize/student_view.h"
#include "punctual/result.h"
#include "tensor/tensor_spec.h"

namespace punctual::optimize {

// The bytes of the file. `output`: of the model. Trees are one TreeEnsembleRegressor (ai.onnx.ml), which the native
// backend runs and OpenVINO does not; perceptrons are Gemm and Relu, which all do. kInvalidArgument: an output that has
// not as many numbers as the student, is not float32 or does not begin with a batch of 1.
Result<std::string> WriteForest(const Forest& forest, const StudentView& view, const TensorSpec& output);
Result<std::string> WriteMlp(const Mlp& mlp, const StudentView& view, const TensorSpec& output);

}  // namespace punctual::optimize
