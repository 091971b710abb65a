#include "punctual/outputs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

namespace punctual {
namespace {

std::vector<NamedTensor> Two(std::size_t floats = 3) {
  std::vector<float> values(floats);
  for (std::size_t i = 0; i < floats; ++i) values[i] = 0.5f * static_cast<float>(i);
  Tensor whole(DType::kInt64, {2});
  whole.mutable_values<std::int64_t>()[1] = -7;
  return {{"probabilities", Tensor::Float32({1, static_cast<std::int64_t>(floats)}, values)}, {"n", whole}};
}

void ExpectTwo(const Outputs& outputs, std::size_t floats = 3) {
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].name, "probabilities");
  EXPECT_EQ(outputs[0].dtype, DType::kFloat32);
  EXPECT_TRUE(std::ranges::equal(outputs[0].shape, Shape{1, static_cast<std::int64_t>(floats)}));
  ASSERT_EQ(outputs[0].values<float>().size(), floats);
  EXPECT_EQ(outputs[0].values<float>().back(), 0.5f * static_cast<float>(floats - 1));
  EXPECT_EQ(outputs[1].name, "n");
  EXPECT_EQ(outputs[1].values<std::int64_t>()[1], -7);
}

std::vector<std::byte> BlockOf(const Outputs& outputs) { return {outputs.block().begin(), outputs.block().end()}; }

TEST(OutputsTest, GiveBackWhatTheyWereMadeOf) {
  const Outputs none{};
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.size(), 0u);
  EXPECT_FALSE(none.begin() != none.end());
  ExpectTwo(Outputs(Two()));
  ExpectTwo(Outputs(Two(1000)), 1000);
}

TEST(OutputsTest, SmallOnesLieInsideAndLargeOnesAreShared) {
  const float value = 0;
  const Outputs small(std::vector<NamedTensor>{{"probabilities", Tensor::Float32({1}, {&value, 1})}});
  EXPECT_EQ(small.shared_bytes(), 0u);
  const Outputs copy = small;
  EXPECT_NE(copy.block().data(), small.block().data());
  const Outputs large(Two(1000));
  EXPECT_EQ(large.shared_bytes(), large.block().size());
  EXPECT_EQ(Outputs(large).block().data(), large.block().data());
}

TEST(OutputsTest, ReadBackTheirOwnBlock) {
  for (const std::size_t floats : {1u, 3u, 1000u}) {
    const Outputs outputs(Two(floats));
    // At an odd address: a block may come from anywhere.
    std::vector<std::byte> odd(outputs.block().size() + 1);
    std::memcpy(odd.data() + 1, outputs.block().data(), outputs.block().size());
    const auto read = Outputs::FromBlock(std::span(odd).subspan(1));
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(*read, outputs);
    ExpectTwo(*read, floats);
  }
  EXPECT_TRUE(Outputs::FromBlock({}).value().empty());
}

TEST(OutputsTest, RefuseABlockThatIsCutOffOrTooLong) {
  const auto block = BlockOf(Outputs(Two()));
  for (std::size_t size = 1; size < block.size(); ++size)
    EXPECT_TRUE(Outputs::FromBlock(std::span(block).first(size)).has_error()) << size;
  auto longer = block;
  longer.resize(longer.size() + 8);
  EXPECT_TRUE(Outputs::FromBlock(longer).has_error());
}

TEST(OutputsTest, RefuseNumbersThatAreNotFinite) {
  std::vector<NamedTensor> tensors = Two();
  tensors[0].tensor.mutable_values<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(Outputs::FromBlock(BlockOf(Outputs(tensors))).has_error());
}

TEST(OutputsTest, SurviveAnyDamageToABlock) {
  std::mt19937 random(7);
  const auto block = BlockOf(Outputs(Two()));
  for (int round = 0; round < 20000; ++round) {
    auto damaged = block;
    for (std::uint32_t i = 0; i <= random() % 3; ++i)
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    const auto read = Outputs::FromBlock(damaged);
    if (!read.has_value()) continue;
    for (const OutputView output : *read) EXPECT_TRUE(AllFinite(output.dtype, output.bytes));
  }
}

}  // namespace
}  // namespace punctual
