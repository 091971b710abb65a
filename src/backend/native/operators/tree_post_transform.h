// What ai.onnx.ml does to scores at last.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace punctual::native {

enum class PostTransform : std::uint8_t { kNone, kLogistic, kSoftmax, kSoftmaxZero, kProbit };

// "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"; nothing for others.
std::optional<PostTransform> PostTransformOf(std::string_view name);

// In place, over the scores of one row. SOFTMAX_ZERO: scores that are 0 stay 0 but for the factor of the softmax, and
// do not count in its sum. PROBIT: the normal distribution's quantile at the score; infinite at 0 and 1, NaN beyond.
void Apply(PostTransform transform, std::span<float> scores);

}  // namespace punctual::native
