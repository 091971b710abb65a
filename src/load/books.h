// Books for requests that carry them, and for feeds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "punctual/market.h"
#include "punctual/result.h"

namespace punctual::load {

// The first `count` books of an order-book CSV file (fewer if it has fewer). Bad lines are errors.
Result<std::vector<BookSnapshot>> ReadBooks(const std::string& path, std::size_t count);
// `count` books for each of `symbols` simulated symbols at `rate` books a second each.
Result<std::vector<std::vector<BookSnapshot>>> SimulateBooks(std::size_t symbols, double rate, std::uint64_t seed,
                                                             std::size_t count);

}  // namespace punctual::load
