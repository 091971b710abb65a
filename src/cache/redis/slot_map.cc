#include "cache/redis/slot_map.h"

#include <algorithm>

namespace punctual::redis {

std::uint16_t SlotMap::IndexOf(Shard shard) {
  const auto found = std::find(shards_.begin(), shards_.end(), shard);
  if (found != shards_.end()) return static_cast<std::uint16_t>(found - shards_.begin());
  // Each shard holds at least one range when it comes: there cannot be more than slots, far below kNone.
  if (shards_.size() >= kSlotCount) return kNone;
  shards_.push_back(std::move(shard));
  return static_cast<std::uint16_t>(shards_.size() - 1);
}

void SlotMap::Assign(std::uint16_t first, std::uint16_t last, Shard shard) {
  const std::uint16_t index = IndexOf(std::move(shard));
  std::fill(shard_of_.begin() + first, shard_of_.begin() + last + 1, index);
}

void SlotMap::Move(std::uint16_t slot, Node master) {
  const auto found =
      std::find_if(shards_.begin(), shards_.end(), [&](const Shard& shard) { return shard.master == master; });
  shard_of_[slot] =
      found != shards_.end() ? static_cast<std::uint16_t>(found - shards_.begin()) : IndexOf({master, {}});
}

}  // namespace punctual::redis
