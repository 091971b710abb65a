// What a variant is worth: its answers beside those of the model that it stands in for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "optimize/block_bootstrap.h"
#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

// Of some of the samples, the share to which both gave the same class.
struct Agreement {
  std::size_t samples = 0;
  std::optional<Estimate> share;  // none without samples
};

// Against labels, of the samples that have one.
struct Accuracy {
  std::size_t samples = 0;
  Estimate reference, candidate;
  Estimate drop;  // the reference's less the candidate's, sample by sample: they err on the same ones
  // Samples that the reference has right and the candidate wrong ("negative flips"): never less than the drop, for what
  // the candidate has right in their place does not count.
  Estimate lost;
};

// Of answers that are classes: the largest number says which.
struct ClassComparison {
  Agreement agreement;
  std::vector<Agreement> by_class;     // of each class that the reference called so
  std::vector<Agreement> by_symbol;    // of each of Samples::symbols
  std::vector<std::size_t> confusion;  // [the reference's class][the candidate's], row-major
  std::optional<Accuracy> accuracy;    // with labels
  // See calibration_error.h: against labels; without, the candidate's against the reference's classes, and no other.
  std::optional<double> reference_calibration_error;
  double candidate_calibration_error = 0;
};

// Of answers that are one number.
struct NumberComparison {
  // sum |candidate - reference| / sum |reference - its mean|: 0 where all are the same; infinite where the reference
  // never changes and the candidate is something else.
  Estimate relative_difference;
  double correlation = 0;  // Pearson's; of two of which one never changes, 1 if they are the same, else 0
};

struct Comparison {
  std::size_t samples = 0;
  // As how many samples of independent moments they count: runs as long as the reference's answers resemble each other.
  double independent = 0;
  double confidence = 0;          // of every Estimate
  double largest_difference = 0;  // between two numbers of the answers, absolute
  double mean_difference = 0;
  // One of the two.
  std::optional<ClassComparison> classes;
  std::optional<NumberComparison> numbers;
};

// More would make Comparison too large to be of use.
inline constexpr std::size_t kMostClasses = 1000;

// Whether labels fit answers of `width` numbers: those of `indices`, of which one at least must be known. Errors: as of
// Compare.
Result<void> CheckLabels(const Samples& samples, std::span<const std::size_t> indices, std::size_t width);

struct CompareOptions {
  BootstrapOptions bootstrap;
  bool parts = true;  // by_class and by_symbol: of many symbols they take long
};

// `reference` and `candidate` have the answers to samples `indices`, in that order, which is ascending. With labels if
// the samples have them. kInvalidArgument: no answers, not as many as indices, of different widths or more than
// kMostClasses, a number that is not finite, a label that is no class of the answers, or labels with answers that are
// one number; kFailedPrecondition: labels, but none of these samples has one; else as EstimateRatio.
// REQUIRES: each index is below samples.count().
Result<Comparison> Compare(const Answers& reference, const Answers& candidate, const Samples& samples,
                           std::span<const std::size_t> indices, const CompareOptions& options = {});

}  // namespace punctual::optimize
