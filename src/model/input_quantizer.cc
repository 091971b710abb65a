#include "model/input_quantizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

namespace punctual {

namespace {

struct Range {
  std::int32_t low, high;
};

Range RangeOf(CodeType type) {
  switch (type) {
    case CodeType::kUint8: return {0, 255};
    case CodeType::kInt8: return {-128, 127};
    case CodeType::kUint16: return {0, 65535};
    case CodeType::kInt16: break;
  }
  return {-32768, 32767};
}

// The codes of one run, before the zero point: saturated first, which changes nothing since the bounds are whole.
struct Rounder {
  Rounder(const InputQuantizer::Step& step, Range range)
      : scale(step.scale),
        low(static_cast<float>(range.low - step.zero_point)),
        high(static_cast<float>(range.high - step.zero_point)) {}

  float operator()(float value) const {
    // Half to even, as additions round: past 2^23 a float has no fraction. Unlike nearbyint it needs no call.
    constexpr float kNoFraction = 0x1.8p23f;
    const float steps = std::min(std::max(value / scale, low), high);
    return (steps + kNoFraction) - kNoFraction;
  }

  float scale, low, high;
};

}  // namespace

Result<InputQuantizer> InputQuantizer::Make(CodeType type, std::vector<Step> steps, std::size_t run) {
  const Range range = RangeOf(type);
  if (steps.empty() || run == 0) return Fail(Code::kInvalidArgument, "a quantiser needs a scale");
  for (const Step& step : steps) {
    if (step.zero_point < range.low || step.zero_point > range.high)
      return Fail(Code::kInvalidArgument,
                  "the zero point " + std::to_string(step.zero_point) + " is beyond the type of the codes");
    // Engines may take numbers below the normal ones for zero.
    if (!(step.scale >= std::numeric_limits<float>::min()) ||
        !std::isfinite(step.scale * static_cast<float>(range.high - range.low)))
      return Fail(Code::kInvalidArgument, "the scale " + std::to_string(step.scale) + " is not one of normal numbers");
  }
  return InputQuantizer(type, std::move(steps), run);
}

std::size_t InputQuantizer::bytes_per_code() const {
  return type_ == CodeType::kUint8 || type_ == CodeType::kInt8 ? 1 : 2;
}

template <class Each>
void InputQuantizer::ForEachRun(std::size_t count, Each&& each) const {
  for (std::size_t begin = 0; begin < count;)
    for (const Step& step : steps_) {
      each(begin, std::min(begin + run_, count), step);
      begin += run_;
    }
}

template <class Code>
void InputQuantizer::EncodeAs(std::span<const float> values, std::byte* out) const {
  ForEachRun(values.size(), [&, range = RangeOf(type_)](std::size_t begin, std::size_t end, const Step& step) {
    const Rounder round(step, range);
    const std::int32_t zero_point = step.zero_point;
    for (std::size_t i = begin; i < end; ++i) {
      const Code code = static_cast<Code>(static_cast<std::int32_t>(round(values[i])) + zero_point);
      std::memcpy(out + i * sizeof(Code), &code, sizeof(Code));
    }
  });
}

void InputQuantizer::Encode(std::span<const float> values, std::span<std::byte> out) const {
  if (bytes_per_code() == 1)
    EncodeAs<std::uint8_t>(values, out.data());
  else
    EncodeAs<std::uint16_t>(values, out.data());
}

// Why the code stays: the product and the quotient are each off by 2^-24 of their size at most, together by less than
// 0.01 of a step for the 65535 steps that there can be.
void InputQuantizer::Canonicalise(std::span<float> values) const {
  ForEachRun(values.size(), [&, range = RangeOf(type_)](std::size_t begin, std::size_t end, const Step& step) {
    const Rounder round(step, range);
    for (std::size_t i = begin; i < end; ++i) values[i] = round(values[i]) * round.scale;
  });
}

}  // namespace punctual
