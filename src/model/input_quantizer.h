// How a model quantises one of its inputs before it does anything else with it: QuantizeLinear of ONNX (opset 10 to
// 21), over float32, to codes of 8 or 16 bits:
//   code = saturate(round_half_to_even(x / scale) + zero_point), the division in float32
// Immutable; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "punctual/result.h"

namespace punctual {

enum class CodeType : std::uint8_t { kUint8, kInt8, kUint16, kInt16 };

class InputQuantizer {
 public:
  struct Step {
    float scale = 1;
    std::int32_t zero_point = 0;
    bool operator==(const Step&) const = default;
  };

  // Elements in a row, `run` of them, share a step, then the next `run` the next one, and from the first again: one
  // step for a whole tensor, or one for each place along an axis.
  // kInvalidArgument: no step, a zero point beyond the type, a scale that is not positive, or so small or large that
  // codes and values cannot be told by float32.
  static Result<InputQuantizer> Make(CodeType type, std::vector<Step> steps, std::size_t run);

  std::size_t bytes_per_code() const;
  // Writes each value's code, in the type's own bits and the machine's byte order.
  // REQUIRES: finite values, a whole number of rounds over the steps; out.size() == values.size() * bytes_per_code().
  void Encode(std::span<const float> values, std::span<std::byte> out) const;
  // Puts in the place of each value the one that stands for its code, (code - zero_point) * scale. It has the same
  // code, and lies where no engine's own arithmetic can round it into another. REQUIRES: as for Encode.
  void Canonicalise(std::span<float> values) const;

  bool operator==(const InputQuantizer&) const = default;

 private:
  InputQuantizer(CodeType type, std::vector<Step> steps, std::size_t run)
      : type_(type), steps_(std::move(steps)), run_(run) {}
  template <class Each>
  void ForEachRun(std::size_t count, Each&& each) const;
  template <class Code>
  void EncodeAs(std::span<const float> values, std::byte* out) const;

  CodeType type_;
  std::vector<Step> steps_;
  std::size_t run_;
};

}  // namespace punctual
