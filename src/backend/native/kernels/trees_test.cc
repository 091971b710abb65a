#include "backend/native/kernels/trees.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <vector>

#include "backend/native/kernels/every_target.h"

namespace punctual::native {
namespace {

constexpr std::uint16_t kFeatures = 7;

struct Forest {
  // Trees that grow at random, a leaf where they stop: of all shapes and depths.
  Forest(std::mt19937& random, std::size_t trees) {
    const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    for (std::size_t tree = 0; tree < trees; ++tree) {
      roots.push_back(static_cast<std::uint32_t>(nodes.size()));
      std::size_t depth = 0, level = 1, first = nodes.size();
      nodes.emplace_back();
      const int most = any(0, 9);
      for (;; ++depth) {
        const std::size_t end = first + level;
        level = 0;
        for (std::size_t i = first; i < end; ++i) {
          const bool is_leaf = static_cast<int>(depth) == most || any(0, 4) == 0;
          nodes[i].threshold = is_leaf ? static_cast<float>(any(-1000, 1000)) : static_cast<float>(any(-3, 3));
          nodes[i].feature = is_leaf ? kFeatures : static_cast<std::uint16_t>(any(0, kFeatures - 1));
          nodes[i].below = is_leaf ? std::int16_t{-1} : static_cast<std::int16_t>(nodes.size() - i);
          if (is_leaf) continue;
          nodes.resize(nodes.size() + 2);
          level += 2;
        }
        if (level == 0) break;
        first = end;
      }
      depths.resize(tree / kTreesAtOnce + 1);
      depths.back() = std::max(depths.back(), static_cast<std::uint16_t>(depth));
    }
    for (const TreeNode& node : nodes)
      nan_goes_first.push_back(static_cast<std::uint8_t>(node.below >= 0 ? any(0, 1) : 0));
    roots.resize(PaddedTrees(trees), static_cast<std::uint32_t>(nodes.size() - 1));
  }

  float Leaf(std::size_t tree, const std::vector<float>& x, bool is_strict) const {
    std::size_t at = roots[tree];
    while (nodes[at].below >= 0) {
      const float of_x = x[nodes[at].feature], threshold = nodes[at].threshold;
      const bool holds = of_x != of_x ? nan_goes_first[at] != 0 : is_strict ? of_x < threshold : of_x <= threshold;
      at += static_cast<std::size_t>(nodes[at].below) + (holds ? 0 : 1);
    }
    return nodes[at].threshold;
  }

  std::vector<TreeNode> nodes;
  std::vector<std::uint8_t> nan_goes_first;
  std::vector<std::uint32_t> roots;
  std::vector<std::uint16_t> depths;
};

TEST(TreesTest, EveryWalkEndsAtItsLeaf) {
  test::OnEveryTarget([] {
    std::mt19937 random(1);
    for (const std::size_t count : {1u, 2u, 15u, 16u, 17u, 100u})
      for (const bool is_strict : {false, true}) {
        const Forest forest(random, count);
        std::vector<float> leaves(PaddedTrees(count));
        for (int sample = 0; sample < 20; ++sample) {
          std::vector<float> x;  // often just the threshold
          for (int i = 0; i < kFeatures; ++i) x.push_back(static_cast<float>(static_cast<int>(random() % 13) - 6) / 2);
          x.push_back(std::numeric_limits<float>::quiet_NaN());
          const PackedTrees trees{forest.nodes.data(),
                                  forest.nan_goes_first.data(),
                                  forest.roots.data(),
                                  forest.depths.data(),
                                  count,
                                  is_strict};
          for (const bool has_nan : {false, true}) {
            if (has_nan) x[random() % kFeatures] = std::numeric_limits<float>::quiet_NaN();
            WalkTrees(trees, x.data(), has_nan, leaves.data());
            for (std::size_t tree = 0; tree < count; ++tree) ASSERT_EQ(leaves[tree], forest.Leaf(tree, x, is_strict));
          }
        }
      }
  });
}

TEST(TreesTest, SumsHaveTheSameOrderOnEveryTarget) {
  test::OnEveryTarget([] {
    std::mt19937 random(2);
    std::uniform_real_distribution<float> any(-1, 1);
    for (const std::size_t count : {0u, 1u, 5u, 16u, 33u, 250u, 1000u}) {
      std::vector<float> numbers(count);
      for (float& number : numbers) number = any(random);
      std::array<float, 16> sums{};
      for (std::size_t i = 0; i < count; ++i) sums[i % 16] += numbers[i];
      for (const std::size_t apart : {8u, 4u, 2u, 1u})
        for (std::size_t i = 0; i < apart; ++i) sums[i] += sums[i + apart];
      EXPECT_EQ(SumInSixteens(numbers.data(), count), sums[0]);
    }
  });
}

}  // namespace
}  // namespace punctual::native
