#include "optimize/fidelity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "optimize/calibration_error.h"

namespace punctual::optimize {

namespace {

double SumOfDifferences(const Answers& reference, const Answers& candidate) {
  double sum = 0;
  for (std::size_t i = 0; i < reference.values.size(); ++i)
    sum += std::abs(static_cast<double>(candidate.values[i]) - static_cast<double>(reference.values[i]));
  return sum;
}

}  // namespace

double Fidelity(const Answers& reference, const Answers& candidate) {
  const auto count = static_cast<double>(reference.count());
  if (reference.width > 1) {
    std::size_t equal = 0;
    for (std::size_t i = 0; i < reference.count(); ++i)
      equal += LargestOf(reference[i]) == LargestOf(candidate[i]) ? 1 : 0;
    return static_cast<double>(equal) / count;
  }
  const double mean = std::accumulate(reference.values.begin(), reference.values.end(), 0.0) / count;
  double spread = 0;
  for (const float value : reference.values) spread += std::abs(static_cast<double>(value) - mean);
  const double difference = SumOfDifferences(reference, candidate);
  if (difference == 0) return 1;
  return spread > 0 ? 1 - difference / spread : -1e300;
}

double MeanDifference(const Answers& reference, const Answers& candidate) {
  return SumOfDifferences(reference, candidate) / static_cast<double>(reference.values.size());
}

std::vector<std::size_t> Thinned(std::span<const std::size_t> indices, std::size_t most) {
  const std::size_t taken = std::min(indices.size(), most);
  std::vector<std::size_t> thinned;
  for (std::size_t i = 0; i < taken; ++i) thinned.push_back(indices[i * indices.size() / taken]);
  return thinned;
}

}  // namespace punctual::optimize
