// The ways in which a random graph grows by a node, or by some that belong together.
#pragma once

#include <span>

#include "backends/growing_graph.h"

namespace punctual::test {

struct Growth {
  // How often it is tried, beside the others.
  int weight;
  // Makes more of `x` and puts it into the graph. False: it does not go with that value, and nothing was done.
  bool (*grow)(GrowingGraph& graph, const GrownValue& x);
};

std::span<const Growth> ElementwiseGrowths();  // number by number
std::span<const Growth> ArrangingGrowths();    // what moves numbers, and reductions
std::span<const Growth> LayerGrowths();        // what has weights, pools, normalisations
std::span<const Growth> RecurrentGrowths();
std::span<const Growth> CodeGrowths();  // quantised layers

}  // namespace punctual::test
