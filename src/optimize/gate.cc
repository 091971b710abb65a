#include "optimize/gate.h"

#include <algorithm>
#include <cmath>

#include "base/config_file.h"
#include "optimize/printed_number.h"

namespace punctual::optimize {
namespace {

struct Judged {
  const char* name;
  Estimate estimate;
  std::string of;  // what part of the samples; empty: all
};

// Where samples give no width, as far beyond as so many of them leave room: the rule of three.
Estimate Widened(Estimate estimate, double independent) {
  if (estimate.high <= estimate.value) estimate.high = std::min(1.0, estimate.value + 3 / std::max(1.0, independent));
  return estimate;
}

Judged WhatIsJudged(const Comparison& comparison) {
  if (comparison.classes && comparison.classes->accuracy) {
    const Accuracy& accuracy = *comparison.classes->accuracy;
    const double labelled =
        static_cast<double>(accuracy.samples) / static_cast<double>(comparison.classes->agreement.samples);
    return {"right answers lost", Widened(accuracy.lost, labelled * comparison.independent),
            " of " + std::to_string(accuracy.samples) + " with a label"};
  }
  return {comparison.numbers ? "relative difference" : "other classes", DifferenceOf(comparison), ""};
}

constexpr double kManyTimes = 100;

std::string Percent(double share) {
  return Printed(std::round(1e5 * share) / 1e3 + 0.0, "%.3f");  // + 0.0: no "-0.000"
}

}  // namespace

Result<void> CheckLimit(std::string_view option, double limit) {
  if (limit >= 0 && limit <= 1) return {};
  return Fail(Code::kInvalidArgument,
              std::string(option) + ": " + NumberText(100 * limit) + " %: must be from 0% to 100%");
}

Estimate DifferenceOf(const Comparison& comparison) {
  if (comparison.numbers) return comparison.numbers->relative_difference;
  const Estimate& agreement = *comparison.classes->agreement.share;
  return Widened({1 - agreement.value, 1 - agreement.high, 1 - agreement.low}, comparison.independent);
}

GateDecision Judge(const Comparison& comparison, double limit, std::string_view option) {
  const auto [name, estimate, of] = WhatIsJudged(comparison);
  const std::string judged = std::string(name) + " " + Percent(estimate.value) + " %" + of + " (" +
                             Printed(100 * comparison.confidence, "%g") + " %: " + Percent(estimate.low) + " to " +
                             Percent(estimate.high) + " %)";
  const std::string allowed = std::string(option) + " " + Percent(limit) + " %";
  if (estimate.high <= limit) return {true, false, judged + " is within " + allowed};
  std::string text = judged + " fails " + allowed + " by " + Percent(estimate.high - limit) + " points";
  if (estimate.value < limit) {
    // An interval's width falls with the root of the samples.
    const double times = std::pow((estimate.high - estimate.value) / (limit - estimate.value), 2);
    text +=
        "; it may be good enough, " + (times < kManyTimes ? Printed(times, "%.1f") + " times as many samples would tell"
                                                          : std::string("many more samples would tell"));
  }
  return {false, estimate.low > limit, text};
}

}  // namespace punctual::optimize
