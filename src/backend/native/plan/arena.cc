#include "backend/native/plan/arena.h"

#include <algorithm>
#include <numeric>

namespace punctual::native {

namespace {

constexpr std::size_t kAlignment = 64;

std::size_t RoomOf(const Tenant& tenant) {
  return (tenant.bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
}

}  // namespace

ArenaLayout LayOut(const std::vector<Tenant>& tenants) {
  std::vector<std::size_t> order(tenants.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tenants[a].bytes > tenants[b].bytes; });
  ArenaLayout layout;
  layout.offsets.resize(tenants.size());
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t index : order) {
    const Tenant& tenant = tenants[index];
    const std::size_t room = RoomOf(tenant);
    std::size_t at = 0;
    for (const std::size_t other : placed) {
      const Tenant& neighbour = tenants[other];
      if (neighbour.last < tenant.first || tenant.last < neighbour.first) continue;
      if (at + room <= layout.offsets[other]) break;
      at = std::max(at, layout.offsets[other] + RoomOf(neighbour));
    }
    layout.offsets[index] = at;
    layout.bytes = std::max(layout.bytes, at + room);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), at,
                                   [&](std::size_t offset, std::size_t one) { return offset < layout.offsets[one]; }),
                  index);
  }
  return layout;
}

}  // namespace punctual::native
