// How far a figure can be trusted that was counted over samples whose neighbours are nearly the same.
//
// Neighbouring order books share most of their window, and a model errs on them together: a thousand of them tell as
// much as some tens that were apart. A moving-block bootstrap (Künsch, "The jackknife and the bootstrap for general
// stationary observations", Annals of Statistics 17, 1989) draws runs of neighbours, of each symbol by itself, and sees
// how the figure varies. Here
//   - each symbol's runs lie on a circle, so that the first and the last samples count as much as the others (Politis
//     and Romano, "A circular block-resampling procedure for stationary data", 1992);
//   - a run's length, unless told, follows from how long the samples' errors resemble each other: twice what has the
//     least error of the variance (Politis and White, "Automatic block-length selection for the dependent bootstrap",
//     2004, with the correction of Patton, Politis and White, 2009), as in simulations intervals are too narrow with
//     that, and twice the cube root of the samples' number at least;
//   - the interval is the BCa interval (Efron, "Better bootstrap confidence intervals", JASA 82, 1987), as errors are
//     rare and their shares skewed, widened as Student's t is for as few observations as there are runs (Hesterberg,
//     "What teachers should know about the bootstrap", American Statistician 69, 2015).
// It does not know what happened in no sample, or on few occasions: errors that came on less than ten occasions make it
// too narrow. Nor does it know that symbols move together, nor that tomorrow is another day.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "punctual/result.h"

namespace punctual::optimize {

struct BootstrapOptions {
  std::size_t block = 0;         // samples of a run; 0: as BlockLength says, of each symbol
  std::size_t resamples = 2000;  // 100 to 1,000,000
  double confidence = 0.95;      // 0.5 to 0.999
  std::uint64_t seed = 1;        // the same gives the same interval
};

// A figure of some samples, and the interval that has the true one as often as BootstrapOptions::confidence says.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
};

// The automatic length of a run for the mean of a series in the order of time: at most a third of it, at least 1.
std::size_t BlockLength(std::span<const double> series);

// sum(part) / sum(whole), for instance right ones / labelled ones; of each sample its two summands and its symbol, of
// each symbol in the order of time. A figure that is the same whatever is drawn has an interval without width.
// kInvalidArgument: options out of bounds, spans of different lengths, or a `whole` whose sum is not above 0;
// kFailedPrecondition: `block` does not fit twice into the samples of a symbol.
Result<Estimate> EstimateRatio(std::span<const double> part, std::span<const double> whole,
                               std::span<const std::uint32_t> symbol, const BootstrapOptions& options = {});

}  // namespace punctual::optimize
