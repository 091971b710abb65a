// The trees in a model that XGBoost 1.7 saved as JSON.
#pragma once

#include <string_view>
#include <vector>

#include "optimize/boosted_trees.h"
#include "punctual/result.h"

namespace punctual::optimize {

// In the order they were added, thresholds and leaves to the bit. kInternal: not such a model.
Result<std::vector<Tree>> ReadXgboostTrees(std::string_view json);

}  // namespace punctual::optimize
