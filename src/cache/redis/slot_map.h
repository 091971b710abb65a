// Which nodes hold which slots. Nodes are numbers that the owner gives. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/redis/command.h"

namespace punctual::redis {

class SlotMap {
 public:
  using Node = std::uint16_t;
  struct Shard {
    Node master = 0;
    std::vector<Node> replicas;
    bool operator==(const Shard&) const = default;
  };

  SlotMap() { shard_of_.fill(kNone); }

  // REQUIRES: first <= last < kSlotCount. A slot that is assigned twice belongs to the later one.
  void Assign(std::uint16_t first, std::uint16_t last, Shard shard);
  // What a redirection said about one slot: the shard of that master, or a new one without replicas.
  void Move(std::uint16_t slot, Node master);
  // Null: nobody is known to hold it.
  const Shard* ShardOf(std::uint16_t slot) const {
    const std::uint16_t shard = shard_of_[slot];
    return shard == kNone ? nullptr : &shards_[shard];
  }
  // May hold shards that lost all their slots since the last full assignment.
  std::span<const Shard> shards() const { return shards_; }
  bool empty() const { return shards_.empty(); }

 private:
  static constexpr std::uint16_t kNone = 0xFFFF;
  std::uint16_t IndexOf(Shard shard);

  std::vector<Shard> shards_;
  std::array<std::uint16_t, kSlotCount> shard_of_;
};

}  // namespace punctual::redis
