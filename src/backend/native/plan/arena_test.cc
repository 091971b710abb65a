#include "backend/native/plan/arena.h"

#include <gtest/gtest.h>

#include <random>

namespace punctual::native {
namespace {

bool Overlap(const ArenaLayout& layout, const std::vector<Tenant>& tenants, std::size_t a, std::size_t b) {
  const auto end = [&](std::size_t i) { return layout.offsets[i] + tenants[i].bytes + 64; };
  return layout.offsets[a] < end(b) && layout.offsets[b] < end(a);
}

TEST(ArenaTest, ValuesOfAChainShareRoom) {
  const std::vector<Tenant> chain = {{1000, 0, 1}, {1000, 1, 2}, {1000, 2, 3}, {1000, 3, 4}};
  EXPECT_EQ(LayOut(chain).bytes, 2 * (1024u + 64u));
}

TEST(ArenaTest, WhatLivesAtOnceNeverOverlapsAndStandsAligned) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<Tenant> tenants(random() % 40);
    for (Tenant& tenant : tenants) {
      tenant.bytes = random() % 5000;
      tenant.first = random() % 30;
      tenant.last = tenant.first + random() % 10;
    }
    const ArenaLayout layout = LayOut(tenants);
    for (std::size_t a = 0; a < tenants.size(); ++a) {
      EXPECT_EQ(layout.offsets[a] % 64, 0u);
      EXPECT_LE(layout.offsets[a] + tenants[a].bytes + 64, layout.bytes);
      for (std::size_t b = 0; b < a; ++b)
        if (tenants[a].first <= tenants[b].last && tenants[b].first <= tenants[a].last) {
          EXPECT_FALSE(Overlap(layout, tenants, a, b));
        }
    }
  }
}

TEST(ArenaTest, HoweverManyLiveAtOnceNoneOverlap) {
  std::mt19937 random(2);
  std::vector<Tenant> tenants(1000);
  for (Tenant& tenant : tenants) {
    tenant.bytes = random() % 5000;
    tenant.first = random() % 1000;
    tenant.last = tenant.first + random() % 1000;
  }
  const ArenaLayout layout = LayOut(tenants);
  for (std::size_t a = 0; a < tenants.size(); ++a) {
    ASSERT_LE(layout.offsets[a] + tenants[a].bytes + 64, layout.bytes);
    for (std::size_t b = 0; b < a; ++b)
      if (tenants[a].first <= tenants[b].last && tenants[b].first <= tenants[a].last) {
        ASSERT_FALSE(Overlap(layout, tenants, a, b));
      }
  }
}

}  // namespace
}  // namespace punctual::native
