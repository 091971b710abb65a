#include "backend/native/operators/tree_post_transform.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace punctual::native {

namespace {

float Logistic(float x) {
  // Of -|x|, so that nothing overflows.
  const float e = std::exp(-std::abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

float Probit(float probability) {
  const double p = probability;
  if (!(p > 0 && p < 1)) {
    if (p == 0 || p == 1) return (p == 0 ? -1 : 1) * std::numeric_limits<float>::infinity();
    return std::numeric_limits<float>::quiet_NaN();
  }
  // Winitzki's approximation of the inverse of erf, then Newton's method (Halley's variant) on the tail that is
  // smaller.
  const double tail = std::min(p, 1 - p);
  const double log = std::log(4 * tail * (1 - tail));
  constexpr double kA = 0.147;
  const double half = 2 / (std::numbers::pi * kA) + log / 2;
  double x = std::numbers::sqrt2 * std::sqrt(std::sqrt(half * half - log / kA) - half);
  for (int i = 0; i < 4; ++i) {
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    if (density == 0) break;
    const double step = (0.5 * std::erfc(x / std::numbers::sqrt2) - tail) / density;
    x += step / (1 - x * step / 2);
  }
  return static_cast<float>(p < 0.5 ? -x : x);
}

void Softmax(std::span<float> scores, bool keep_zeros) {
  const float most = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& score : scores) {
    if (keep_zeros && std::abs(score) <= 1e-7f) {
      score *= std::exp(-most);
    } else {
      score = std::exp(score - most);
      sum += score;
    }
  }
  if (sum == 0) return;  // all were zeros that stay
  for (float& score : scores) score /= sum;
}

}  // namespace

std::optional<PostTransform> PostTransformOf(std::string_view name) {
  constexpr std::pair<std::string_view, PostTransform> kKnown[] = {{"NONE", PostTransform::kNone},
                                                                   {"LOGISTIC", PostTransform::kLogistic},
                                                                   {"SOFTMAX", PostTransform::kSoftmax},
                                                                   {"SOFTMAX_ZERO", PostTransform::kSoftmaxZero},
                                                                   {"PROBIT", PostTransform::kProbit}};
  for (const auto& [known, transform] : kKnown)
    if (known == name) return transform;
  return std::nullopt;
}

void Apply(PostTransform transform, std::span<float> scores) {
  switch (transform) {
    case PostTransform::kNone: return;
    case PostTransform::kLogistic:
      for (float& score : scores) score = Logistic(score);
      return;
    case PostTransform::kSoftmax: return Softmax(scores, false);
    case PostTransform::kSoftmaxZero: return Softmax(scores, true);
    case PostTransform::kProbit:
      for (float& score : scores) score = Probit(score);
      return;
  }
}

}  // namespace punctual::native
