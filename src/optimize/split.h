// Samples in three parts by time, as they are used one after the other: what comes later never helps to make what came
// before, as in life.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct SplitOptions {
  // Of Parts::fit, search and held_out, of each symbol's samples; finite, above 0, in any unit.
  std::array<double, 3> shares = {60, 15, 25};
  // Between the newest snapshots of samples of different parts: what a sample sees (FeaturePlan::history()) and, where
  // labels look ahead, how far. 1: neighbours may be in different parts. The later part's first samples are left out.
  std::uint64_t gap = 1;
  // Samples that each part of each symbol must have.
  std::size_t least = 30;
};

// Never shuffled. kInvalidArgument: a share that is not above 0, or a symbol whose samples are not in the order of
// their snapshots; kFailedPrecondition: a part would be too small; names the symbol, how many samples there are and how
// many it takes.
Result<Parts> SplitByTime(const Samples& samples, const SplitOptions& options = {});

}  // namespace punctual::optimize
