// The exact kind of shared answers: what a model file can tell of its inputs at all. Where every reader of an input
// quantises it first (an int8 model), or compares it with thresholds (a tree ensemble), inputs of the same codes have
// the same answer, bit for bit: their codes are the question.
//
// Engines round at the edge between two codes each in their own way, and some leave a quantiser out where they think
// that it changes little (OpenVINO 2026.4 on CPUs: every one of 16 bits). So the model is fed Canonicalise()d inputs:
// then the answer is a function of the codes, the one that the file defines, whatever the engine does.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "model/input_quantizer.h"
#include "model/split_bins.h"
#include "punctual/result.h"
#include "tensor/tensor_spec.h"

namespace punctual {

// Immutable; thread-safe.
class InputCodes {
 public:
  // Of an ONNX file whose inputs have these names, dtypes and shapes. Every input must be FP32 and be read by nothing
  // but QuantizeLinear (opset 10 to 21, constant scale and zero point of 8 or 16 bits, of the whole tensor or along an
  // axis; several only with the same constants), or by nothing but TreeEnsembleClassifier and TreeEnsembleRegressor of
  // ai.onnx.ml. kFailedPrecondition says which input is read by what else; kInvalidArgument: this is no ONNX file.
  static Result<InputCodes> FromOnnx(std::string_view model_file, std::span<const TensorSpec> inputs);

  std::size_t input_count() const { return inputs_.size(); }
  // Bytes of all codes of input i.
  std::size_t CodeBytes(std::size_t i) const;
  // REQUIRES: finite values, as many as input i has; out.size() == CodeBytes(i).
  void Encode(std::size_t i, std::span<const float> values, std::span<std::byte> out) const;
  // Puts the value that stands for its code in the place of each. REQUIRES: as for Encode.
  void Canonicalise(std::size_t i, std::span<float> values) const;

 private:
  using Coder = std::variant<InputQuantizer, SplitBins>;
  struct Input {
    Coder coder;
    std::size_t elements = 0;
  };
  friend class OnnxInputReader;
  InputCodes() = default;

  std::vector<Input> inputs_;
};

}  // namespace punctual
