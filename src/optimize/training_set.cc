#include "optimize/training_set.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace punctual::optimize {
namespace {

constexpr double kSumTolerance = 1e-3;
constexpr double kLeastProbability = 1e-6;  // below it differences are the model's rounding

// REQUIRES: `width` > 0.
Moments MomentsOf(std::span<const float> values, std::size_t width) {
  const std::size_t count = values.size() / width;
  Moments moments{std::vector<float>(width, 0), std::vector<float>(width, 1)};
  for (std::size_t column = 0; column < width; ++column) {
    double sum = 0, squares = 0;
    for (std::size_t i = column; i < values.size(); i += width) sum += static_cast<double>(values[i]);
    const double mean = sum / static_cast<double>(count);
    for (std::size_t i = column; i < values.size(); i += width) {
      const double apart = static_cast<double>(values[i]) - mean;
      squares += apart * apart;
    }
    moments.mean[column] = static_cast<float>(mean);
    const double deviation = std::sqrt(squares / static_cast<double>(count));
    // What is left of a constant column after rounding its mean is no deviation.
    if (deviation > 1e-6 * std::abs(mean) && deviation > 0) moments.deviation[column] = static_cast<float>(deviation);
  }
  return moments;
}

Result<void> ExpectFinite(std::span<const float> values, std::size_t width, const std::string& what) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return Fail(Code::kInvalidArgument, what + ": number " + std::to_string(i % width) + " of row " +
                                              std::to_string(i / width) + " is not finite; leave that sample out");
  return {};
}

bool NeverChanges(std::span<const float> values, std::size_t width) {
  for (std::size_t i = width; i < values.size(); ++i)
    if (values[i] != values[i - width]) return false;
  return true;
}

std::size_t Preferred(std::span<const float> answer) {
  return static_cast<std::size_t>(std::max_element(answer.begin(), answer.end()) - answer.begin());
}

}  // namespace

Meaning MeaningOf(const Answers& answers) {
  if (answers.width < 2 || answers.count() == 0) return Meaning::kNumbers;
  for (std::size_t i = 0; i < answers.count(); ++i) {
    double sum = 0;
    for (const float value : answers[i]) {
      if (!(value >= 0)) return Meaning::kNumbers;
      sum += static_cast<double>(value);
    }
    if (!(std::abs(sum - 1) <= kSumTolerance)) return Meaning::kNumbers;
  }
  return Meaning::kProbabilities;
}

Result<void> CheckTrainingSet(const TrainingSet& set, Meaning meaning) {
  const std::size_t count = set.x.count();
  if (count != set.y.count())
    return Fail(Code::kInvalidArgument, "student: there are " + std::to_string(count) + " questions and " +
                                            std::to_string(set.y.count()) + " answers; each must have one");
  if (count < kFewestRows)
    return Fail(Code::kFailedPrecondition, "student: there are " + std::to_string(count) +
                                               " samples, it takes at least " + std::to_string(kFewestRows) +
                                               "; record more");
  PUNCTUAL_TRY(ExpectFinite(set.x.values, set.x.width, "student: its inputs"));
  PUNCTUAL_TRY(ExpectFinite(set.y.values, set.y.width, "student: the model's answers"));
  if (NeverChanges(set.x.values, set.x.width))
    return Fail(Code::kFailedPrecondition, "student: its inputs are the same in all " + std::to_string(count) +
                                               " samples; record a livelier time, or give it other features");
  if (NeverChanges(set.y.values, set.y.width))
    return Fail(Code::kFailedPrecondition, "student: the model gives the same answer to all " + std::to_string(count) +
                                               " samples, so there is nothing to learn; record a livelier time");
  if (meaning != Meaning::kProbabilities) return {};
  const std::size_t first = Preferred(set.y[0]);
  for (std::size_t i = 1; i < count; ++i)
    if (Preferred(set.y[i]) != first) return {};
  return Fail(Code::kFailedPrecondition,
              "student: the model prefers class " + std::to_string(first) + " in all " + std::to_string(count) +
                  " samples, and a student would never learn when it does not; record a livelier time");
}

double MeanLoss(const Answers& answers, const Answers& right, Meaning meaning, std::span<const float> scale) {
  double loss = 0;
  for (std::size_t i = 0; i < right.values.size(); ++i) {
    const double a = static_cast<double>(answers.values[i]), r = static_cast<double>(right.values[i]);
    if (meaning == Meaning::kProbabilities) {
      if (r > 0) loss += r * std::log(std::max(r, kLeastProbability) / std::max(a, kLeastProbability));
    } else {
      const double apart = (a - r) / static_cast<double>(scale[i % right.width]);
      loss += apart * apart / 2;
    }
  }
  return loss / static_cast<double>(right.count());
}

Moments MomentsOf(const Answers& answers) { return MomentsOf(answers.values, answers.width); }
Moments MomentsOf(const Rows& rows) { return MomentsOf(rows.values, rows.width); }

std::vector<float> LogOdds(const Answers& answers) {
  std::vector<float> odds = MomentsOf(answers).mean;
  for (float& value : odds)
    value = static_cast<float>(std::log(std::max(static_cast<double>(value), kLeastProbability)));
  return odds;
}

void Softmax(std::span<float> scores) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& score : scores) sum += score = std::exp(score - largest);
  for (float& score : scores) score /= sum;
}

}  // namespace punctual::optimize
