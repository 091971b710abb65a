#include "base/topological_order.h"

#include <functional>
#include <queue>

namespace punctual {

std::vector<std::size_t> OrderOf(const std::vector<std::vector<std::size_t>>& needs) {
  std::vector<std::vector<std::size_t>> wanted_by(needs.size());
  std::vector<std::size_t> missing(needs.size());
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;  // the first of the file is on top
  for (std::size_t i = 0; i < needs.size(); ++i) {
    missing[i] = needs[i].size();
    if (missing[i] == 0) ready.push(i);
    for (const std::size_t needed : needs[i]) wanted_by[needed].push_back(i);
  }
  std::vector<std::size_t> order;
  while (!ready.empty()) {
    const std::size_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const std::size_t waiting : wanted_by[next])
      if (--missing[waiting] == 0) ready.push(waiting);
  }
  return order;
}

}  // namespace punctual
