#include "cache/redis/slot_map.h"

#include <gtest/gtest.h>

namespace punctual::redis {
namespace {

TEST(SlotMapTest, KnowsNobodyAtFirst) {
  const SlotMap map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.ShardOf(0), nullptr);
  EXPECT_EQ(map.ShardOf(kSlotCount - 1), nullptr);
}

TEST(SlotMapTest, RangesBelongToTheirShardsToTheLastSlot) {
  SlotMap map;
  map.Assign(0, 99, {.master = 1, .replicas = {4}});
  map.Assign(100, kSlotCount - 1, {.master = 2, .replicas = {}});
  map.Assign(50, 50, {.master = 1, .replicas = {4}});
  EXPECT_EQ(map.ShardOf(99)->master, 1);
  EXPECT_EQ(map.ShardOf(99)->replicas, std::vector<SlotMap::Node>{4});
  EXPECT_EQ(map.ShardOf(100)->master, 2);
  EXPECT_EQ(map.ShardOf(kSlotCount - 1)->master, 2);
  EXPECT_EQ(map.shards().size(), 2u);
}

TEST(SlotMapTest, AMovedSlotKeepsTheReplicasOfItsNewMaster) {
  SlotMap map;
  map.Assign(0, 99, {.master = 1, .replicas = {4}});
  map.Assign(100, 199, {.master = 2, .replicas = {5}});
  map.Move(10, 2);
  EXPECT_EQ(map.ShardOf(10)->replicas, std::vector<SlotMap::Node>{5});
  EXPECT_EQ(map.ShardOf(11)->master, 1);
  map.Move(11, 9);
  EXPECT_EQ(map.ShardOf(11)->master, 9);
  EXPECT_TRUE(map.ShardOf(11)->replicas.empty());
}

TEST(SlotMapTest, EverySlotMayHaveAShardOfItsOwn) {
  SlotMap map;
  for (int slot = 0; slot < kSlotCount; ++slot)
    map.Assign(static_cast<std::uint16_t>(slot), static_cast<std::uint16_t>(slot),
               {.master = static_cast<SlotMap::Node>(slot), .replicas = {}});
  EXPECT_EQ(map.ShardOf(kSlotCount - 1)->master, kSlotCount - 1);
}

}  // namespace
}  // namespace punctual::redis
