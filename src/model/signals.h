// signals.csv: pre-computed answers per symbol, for when all else fails. Immutable after loading; thread-safe.
//
//   symbol,computed_at_ns,probabilities_0,probabilities_1,probabilities_2
//   BTCUSDT,1723161641000000000,0.31,0.37,0.32
//
// One column per element of each output, in the order of the outputs; computed_at_ns is Unix time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/backend.h"
#include "punctual/outputs.h"
#include "punctual/result.h"

namespace punctual {

struct Signal {
  std::int64_t computed_at_ns = 0;
  Outputs outputs;
};

using Signals = std::map<std::string, Signal, std::less<>>;

// `outputs`: what the columns must be, all float32. kInvalidArgument names the file, the line and the column.
Result<Signals> ParseSignals(std::string_view text, const std::string& path, const std::vector<TensorSpec>& outputs);

}  // namespace punctual
