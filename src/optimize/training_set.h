// What students are trained from and watched on. Values; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

// What a student sees of some questions: a row each.
struct Rows {
  std::size_t width = 0;
  std::vector<float> values;  // [rows][width]

  std::size_t count() const { return width == 0 ? 0 : values.size() / width; }
  std::span<const float> operator[](std::size_t i) const { return {values.data() + i * width, width}; }
  void Append(std::span<const float> row) { values.insert(values.end(), row.begin(), row.end()); }
};

// What the numbers of an answer are: shares of 1, learnt by cross-entropy, or anything, learnt by squared error.
enum class Meaning { kProbabilities, kNumbers };

struct TrainingSet {
  Rows x;
  Answers y;  // what the model says to each row: its probabilities, not the class it prefers
};

// Probabilities: at least two numbers, none below 0, that sum to 1 in every answer (within 1e-3).
Meaning MeaningOf(const Answers& answers);

// Whether a student can be trained from it. kInvalidArgument: a number that is not finite (with its row), or rows and
// answers that do not match; kFailedPrecondition, with the remedy: fewer rows than kFewestRows, inputs or answers that
// never change, or probabilities that prefer the same class in every row.
Result<void> CheckTrainingSet(const TrainingSet& set, Meaning meaning);
inline constexpr std::size_t kFewestRows = 100;

// The mean loss of `answers` to what is right: cross-entropy in nats less what is right's own (so 0 is perfect), or
// half the squared error in units of each number's variance `scale`. REQUIRES: both have the same width and count.
double MeanLoss(const Answers& answers, const Answers& right, Meaning meaning, std::span<const float> scale);

// Of each number of the answers.
struct Moments {
  std::vector<float> mean;
  std::vector<float> deviation;  // standard, 1 where there is none
};
Moments MomentsOf(const Answers& answers);
Moments MomentsOf(const Rows& rows);

// The logarithms of mean probabilities, so that a student begins with the odds it sees.
std::vector<float> LogOdds(const Answers& answers);

// In place: e^x / sum, computed from x less the largest of them.
void Softmax(std::span<float> scores);

}  // namespace punctual::optimize
