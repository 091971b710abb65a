// An order in which what waits for each other can be done.
#pragma once

#include <cstddef>
#include <vector>

namespace punctual {

// `needs[i]`: the nodes that node i waits for, by index (one may stand there more than once). The order that comes back
// keeps to that of the file where it can. Nodes that wait for each other in a circle, and those that wait for them, are
// left out: the order is then shorter than `needs`.
std::vector<std::size_t> OrderOf(const std::vector<std::vector<std::size_t>>& needs);

}  // namespace punctual
