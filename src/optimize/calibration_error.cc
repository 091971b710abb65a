#include "optimize/calibration_error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace punctual::optimize {
namespace {

constexpr std::size_t kBins = 15;
constexpr double kSumTolerance = 1e-3;

double Confidence(std::span<const float> numbers, bool softmax) {
  const float largest = numbers[LargestOf(numbers)];
  if (!softmax) return static_cast<double>(largest);
  double sum = 0;
  for (const float number : numbers) sum += std::exp(static_cast<double>(number) - static_cast<double>(largest));
  return 1 / sum;
}

}  // namespace

std::size_t LargestOf(std::span<const float> numbers) {
  return static_cast<std::size_t>(std::max_element(numbers.begin(), numbers.end()) - numbers.begin());
}

bool AreProbabilities(const Answers& answers) {
  for (std::size_t i = 0; i < answers.count(); ++i) {
    const auto numbers = answers[i];
    if (std::any_of(numbers.begin(), numbers.end(), [](float number) { return number < 0; })) return false;
    if (!(std::abs(std::accumulate(numbers.begin(), numbers.end(), 0.0) - 1) <= kSumTolerance)) return false;
  }
  return true;
}

double CalibrationError(const Answers& answers, std::span<const std::int32_t> truth, bool softmax) {
  struct Bin {
    double confidence = 0, right = 0;
  };
  std::array<Bin, kBins> bins;
  double known = 0;
  for (std::size_t i = 0; i < answers.count(); ++i) {
    if (truth[i] == Samples::kNoLabel) continue;
    const double confidence = Confidence(answers[i], softmax);
    const double place = std::clamp(confidence * kBins, 0.0, kBins - 1.0);
    Bin& bin = bins[static_cast<std::size_t>(place)];
    bin.confidence += confidence;
    bin.right += LargestOf(answers[i]) == static_cast<std::size_t>(truth[i]) ? 1 : 0;
    ++known;
  }
  double error = 0;
  for (const Bin& bin : bins) error += std::abs(bin.right - bin.confidence);
  return known > 0 ? error / known : 0;
}

}  // namespace punctual::optimize
