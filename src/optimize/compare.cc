#include "optimize/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "optimize/calibration_error.h"

namespace punctual::optimize {
namespace {

// Both models' answers to the same samples, and what the estimates need of these.
struct Pair {
  const Answers& reference;
  const Answers& candidate;
  std::vector<std::uint32_t> symbol;
  std::vector<std::int32_t> labels;  // empty: the samples have none
  const BootstrapOptions& options;

  std::size_t count() const { return symbol.size(); }
  Result<Estimate> Ratio(std::span<const double> part, std::span<const double> whole) const {
    return EstimateRatio(part, whole, symbol, options);
  }
};

Result<void> CheckAnswers(const Answers& reference, const Answers& candidate, std::size_t indices) {
  if (indices == 0) return Fail(Code::kInvalidArgument, "answers: there are none to compare");
  if (reference.count() != indices || candidate.count() != indices)
    return Fail(Code::kInvalidArgument, "answers: there are " + std::to_string(reference.count()) + " and " +
                                            std::to_string(candidate.count()) + " to " + std::to_string(indices) +
                                            " samples");
  if (reference.width != candidate.width)
    return Fail(Code::kInvalidArgument, "answers: the model's have " + std::to_string(reference.width) +
                                            " numbers, the candidate's " + std::to_string(candidate.width));
  if (reference.width > kMostClasses)
    return Fail(Code::kInvalidArgument, "answers: have " + std::to_string(reference.width) + " numbers; at most " +
                                            std::to_string(kMostClasses) + " are compared; choose another output");
  for (const Answers* answers : {&reference, &candidate})
    for (std::size_t i = 0; i < answers->values.size(); ++i)
      if (!std::isfinite(answers->values[i]))
        return Fail(Code::kInvalidArgument, "answers: number " + std::to_string(i % answers->width) + " of answer " +
                                                std::to_string(i / answers->width) +
                                                (answers == &reference ? "" : " of the candidate") + " is not finite");
  return {};
}

Result<std::vector<std::int32_t>> LabelsOf(const Samples& samples, std::span<const std::size_t> indices,
                                           std::size_t width) {
  if (width < 2)
    return Fail(Code::kInvalidArgument, "labels: are of classes, but the output is one number; leave them out");
  std::vector<std::int32_t> labels;
  bool known = false;
  for (const std::size_t i : indices) {
    const std::int32_t label = samples.labels[i];
    if (label != Samples::kNoLabel && (label < 0 || static_cast<std::size_t>(label) >= width))
      return Fail(Code::kInvalidArgument, "labels: that of sample " + std::to_string(i) + ", " + std::to_string(label) +
                                              ", is no class of an output of " + std::to_string(width));
    known = known || label != Samples::kNoLabel;
    labels.push_back(label);
  }
  if (!known)
    return Fail(Code::kFailedPrecondition, "labels: none of the " + std::to_string(indices.size()) +
                                               " samples that are compared has one; give labels for later samples too");
  return labels;
}

std::vector<std::int32_t> ClassesOf(const Answers& answers) {
  std::vector<std::int32_t> classes;
  for (std::size_t i = 0; i < answers.count(); ++i) classes.push_back(static_cast<std::int32_t>(LargestOf(answers[i])));
  return classes;
}

// Of each sample, 1 where `holds`.
template <class Holds>
std::vector<double> Column(std::size_t count, Holds&& holds) {
  std::vector<double> column(count);
  for (std::size_t i = 0; i < count; ++i) column[i] = holds(i) ? 1 : 0;
  return column;
}

double Sum(const std::vector<double>& column) { return std::accumulate(column.begin(), column.end(), 0.0); }

// Both models' classes.
struct Classes {
  std::vector<std::int32_t> reference, candidate;
  bool Agree(std::size_t i) const { return reference[i] == candidate[i]; }
};

// Of the samples that `belongs` is true for.
template <class Belongs>
Result<Agreement> AgreementOf(const Pair& pair, const Classes& classes, Belongs&& belongs) {
  const auto whole = Column(pair.count(), belongs);
  Agreement agreement{.samples = static_cast<std::size_t>(Sum(whole))};
  if (agreement.samples == 0) return agreement;
  const auto part = Column(pair.count(), [&](std::size_t i) { return belongs(i) && classes.Agree(i); });
  PUNCTUAL_ASSIGN(agreement.share, pair.Ratio(part, whole));
  return agreement;
}

Result<Accuracy> AccuracyOf(const Pair& pair, const Classes& classes) {
  const auto known = Column(pair.count(), [&](std::size_t i) { return pair.labels[i] != Samples::kNoLabel; });
  const auto right = Column(pair.count(), [&](std::size_t i) { return classes.reference[i] == pair.labels[i]; });
  const auto still = Column(pair.count(), [&](std::size_t i) { return classes.candidate[i] == pair.labels[i]; });
  std::vector<double> drop(pair.count());
  std::transform(right.begin(), right.end(), still.begin(), drop.begin(), std::minus<>());
  const auto lost = Column(pair.count(), [&](std::size_t i) { return drop[i] > 0; });
  Accuracy accuracy{.samples = static_cast<std::size_t>(Sum(known))};
  PUNCTUAL_ASSIGN(accuracy.reference, pair.Ratio(right, known));
  PUNCTUAL_ASSIGN(accuracy.candidate, pair.Ratio(still, known));
  PUNCTUAL_ASSIGN(accuracy.drop, pair.Ratio(drop, known));
  PUNCTUAL_ASSIGN(accuracy.lost, pair.Ratio(lost, known));
  return accuracy;
}

Result<ClassComparison> CompareClasses(const Pair& pair, std::size_t symbols, bool parts) {
  const Classes classes{ClassesOf(pair.reference), ClassesOf(pair.candidate)};
  const std::size_t width = pair.reference.width;
  ClassComparison comparison;
  comparison.confusion.resize(width * width);
  for (std::size_t i = 0; i < pair.count(); ++i)
    ++comparison.confusion[static_cast<std::size_t>(classes.reference[i]) * width +
                           static_cast<std::size_t>(classes.candidate[i])];
  PUNCTUAL_ASSIGN(comparison.agreement, AgreementOf(pair, classes, [](std::size_t) { return true; }));
  for (std::size_t of = 0; parts && of < width; ++of) {
    PUNCTUAL_ASSIGN(auto agreement, AgreementOf(pair, classes, [&](std::size_t i) {
                      return static_cast<std::size_t>(classes.reference[i]) == of;
                    }));
    comparison.by_class.push_back(agreement);
  }
  for (std::size_t of = 0; parts && of < symbols; ++of) {
    PUNCTUAL_ASSIGN(auto agreement, AgreementOf(pair, classes, [&](std::size_t i) { return pair.symbol[i] == of; }));
    comparison.by_symbol.push_back(agreement);
  }
  const bool softmax = !AreProbabilities(pair.reference) || !AreProbabilities(pair.candidate);
  if (pair.labels.empty()) {
    comparison.candidate_calibration_error = CalibrationError(pair.candidate, classes.reference, softmax);
    return comparison;
  }
  PUNCTUAL_ASSIGN(comparison.accuracy, AccuracyOf(pair, classes));
  comparison.reference_calibration_error = CalibrationError(pair.reference, pair.labels, softmax);
  comparison.candidate_calibration_error = CalibrationError(pair.candidate, pair.labels, softmax);
  return comparison;
}

// By how sure the reference is, or of one number by itself: what changes as the market does.
double IndependentSamples(const Pair& pair, std::size_t symbols) {
  std::vector<std::vector<double>> series(symbols);
  for (std::size_t i = 0; i < pair.count(); ++i) {
    const std::span<const float> answer = pair.reference[i];
    series[pair.symbol[i]].push_back(static_cast<double>(*std::max_element(answer.begin(), answer.end())));
  }
  double runs = 0;
  for (const std::vector<double>& of_symbol : series)
    if (!of_symbol.empty()) runs += static_cast<double>(of_symbol.size()) / static_cast<double>(BlockLength(of_symbol));
  return runs;
}

double Correlation(std::span<const float> a, std::span<const float> b, double mean_of_a, double mean_of_b) {
  double both = 0, of_a = 0, of_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double from_a = static_cast<double>(a[i]) - mean_of_a, from_b = static_cast<double>(b[i]) - mean_of_b;
    both += from_a * from_b;
    of_a += from_a * from_a;
    of_b += from_b * from_b;
  }
  if (of_a > 0 && of_b > 0) return both / std::sqrt(of_a * of_b);
  return std::ranges::equal(a, b) ? 1 : 0;
}

double MeanOf(std::span<const float> numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

Result<NumberComparison> CompareNumbers(const Pair& pair) {
  const std::vector<float>&reference = pair.reference.values, &candidate = pair.candidate.values;
  const double mean = MeanOf(reference);
  std::vector<double> apart(pair.count()), scale(pair.count());
  for (std::size_t i = 0; i < pair.count(); ++i) {
    apart[i] = std::abs(static_cast<double>(candidate[i]) - static_cast<double>(reference[i]));
    scale[i] = std::abs(static_cast<double>(reference[i]) - mean);
  }
  NumberComparison comparison{.correlation = Correlation(reference, candidate, mean, MeanOf(candidate))};
  const bool constant = std::ranges::adjacent_find(reference, std::not_equal_to<>()) == reference.end();
  if (constant) {
    const double difference = Sum(apart) > 0 ? std::numeric_limits<double>::infinity() : 0;
    comparison.relative_difference = {difference, difference, difference};
    return comparison;
  }
  PUNCTUAL_ASSIGN(comparison.relative_difference, pair.Ratio(apart, scale));
  return comparison;
}

}  // namespace

Result<void> CheckLabels(const Samples& samples, std::span<const std::size_t> indices, std::size_t width) {
  PUNCTUAL_TRY(LabelsOf(samples, indices, width));
  return {};
}

Result<Comparison> Compare(const Answers& reference, const Answers& candidate, const Samples& samples,
                           std::span<const std::size_t> indices, const CompareOptions& options) {
  PUNCTUAL_TRY(CheckAnswers(reference, candidate, indices.size()));
  Pair pair{.reference = reference, .candidate = candidate, .options = options.bootstrap};
  for (const std::size_t i : indices) pair.symbol.push_back(samples.symbol[i]);
  if (samples.has_labels()) {
    PUNCTUAL_ASSIGN(pair.labels, LabelsOf(samples, indices, reference.width));
  }
  Comparison comparison{.samples = indices.size(), .confidence = options.bootstrap.confidence};
  comparison.independent = IndependentSamples(pair, samples.symbols.size());
  double sum = 0;
  for (std::size_t i = 0; i < reference.values.size(); ++i) {
    const double apart = std::abs(static_cast<double>(candidate.values[i]) - static_cast<double>(reference.values[i]));
    comparison.largest_difference = std::max(comparison.largest_difference, apart);
    sum += apart;
  }
  comparison.mean_difference = sum / static_cast<double>(reference.values.size());
  if (reference.width > 1) {
    PUNCTUAL_ASSIGN(comparison.classes, CompareClasses(pair, samples.symbols.size(), options.parts));
  } else {
    PUNCTUAL_ASSIGN(comparison.numbers, CompareNumbers(pair));
  }
  return comparison;
}

}  // namespace punctual::optimize
