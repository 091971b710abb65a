#include "backend/native/plan/arena.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

namespace punctual::native {

namespace {

constexpr std::size_t kAlignment = 64;
// With more values that live at once, the search for a gap among them ends, and what comes next stands behind them all:
// the work for a file is bounded.
constexpr std::size_t kMostNeighbours = 256;

std::size_t RoomOf(const Tenant& tenant) {
  return (tenant.bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
}

// Tenants that have their place, to be found by when they live.
class Placed {
 public:
  explicit Placed(const std::vector<Tenant>& tenants) : tenants_(tenants) {
    std::size_t steps = 1;
    for (const Tenant& tenant : tenants) steps = std::max(steps, tenant.last + 1);
    while (leaves_ < steps) leaves_ *= 2;
    covering_.resize(2 * leaves_);
  }

  void Add(std::size_t index) {
    const Tenant& tenant = tenants_[index];
    by_first_.emplace(tenant.first, index);
    // In a tree over the steps, the few nodes that together are the tenant's time.
    for (std::size_t begin = leaves_ + tenant.first, end = leaves_ + tenant.last + 1; begin < end;
         begin /= 2, end /= 2) {
      if (begin % 2 == 1) covering_[begin++].push_back(index);
      if (end % 2 == 1) covering_[--end].push_back(index);
    }
  }

  // Those that live while the tenant does; false: more than kMostNeighbours.
  bool Neighbours(const Tenant& tenant, std::vector<std::size_t>& found) const {
    found.clear();
    for (std::size_t node = leaves_ + tenant.first; node > 0; node /= 2) {  // those that live when it begins
      if (covering_[node].size() > kMostNeighbours - found.size()) return false;
      found.insert(found.end(), covering_[node].begin(), covering_[node].end());
    }
    // And those that begin while it lives.
    for (auto next = by_first_.lower_bound({tenant.first + 1, 0}); next != by_first_.end(); ++next) {
      if (next->first > tenant.last) break;
      if (found.size() == kMostNeighbours) return false;
      found.push_back(next->second);
    }
    return true;
  }

 private:
  const std::vector<Tenant>& tenants_;
  std::size_t leaves_ = 1;
  std::vector<std::vector<std::size_t>> covering_;          // by node: its children are 2 * node and 2 * node + 1
  std::set<std::pair<std::size_t, std::size_t>> by_first_;  // first step, tenant
};

}  // namespace

ArenaLayout LayOut(const std::vector<Tenant>& tenants) {
  std::vector<std::size_t> order(tenants.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tenants[a].bytes > tenants[b].bytes; });
  ArenaLayout layout;
  layout.offsets.resize(tenants.size());
  Placed placed(tenants);
  std::vector<std::size_t> neighbours;
  for (const std::size_t index : order) {
    const std::size_t room = RoomOf(tenants[index]);
    std::size_t at = 0;
    if (placed.Neighbours(tenants[index], neighbours)) {
      std::sort(neighbours.begin(), neighbours.end(),
                [&](std::size_t a, std::size_t b) { return layout.offsets[a] < layout.offsets[b]; });
      for (const std::size_t other : neighbours) {
        if (at + room <= layout.offsets[other]) break;
        at = std::max(at, layout.offsets[other] + RoomOf(tenants[other]));
      }
    } else {
      at = layout.bytes;
    }
    layout.offsets[index] = at;
    layout.bytes = std::max(layout.bytes, at + room);
    placed.Add(index);
  }
  return layout;
}

}  // namespace punctual::native
