#include "model/alike_answers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace punctual {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

// A session that has computed.
class Computed final : public Session {
 public:
  explicit Computed(std::vector<std::vector<std::byte>> outputs) : outputs_(std::move(outputs)) {}
  std::span<std::byte> input(std::size_t) override { return {}; }
  std::span<const std::byte> output(std::size_t i) const override { return outputs_[i]; }
  Result<void> Run() override { return {}; }

 private:
  const std::vector<std::vector<std::byte>> outputs_;
};

template <class Number>
std::vector<std::byte> BytesOf(const std::vector<double>& values) {
  std::vector<std::byte> bytes;
  for (const double value : values) {
    const Number number = static_cast<Number>(value);
    const auto* const begin = reinterpret_cast<const std::byte*>(&number);
    bytes.insert(bytes.end(), begin, begin + sizeof number);
  }
  return bytes;
}

using Values = std::vector<double>;

bool AreAlikeFloats(const Values& a, const Values& b) {
  const auto size = static_cast<std::int64_t>(a.size());
  const bool single =
      AreAlike({{}, {{"y", DType::kFloat32, {size}}}}, Computed({BytesOf<float>(a)}), Computed({BytesOf<float>(b)}));
  const bool twice =
      AreAlike({{}, {{"y", DType::kFloat64, {size}}}}, Computed({BytesOf<double>(a)}), Computed({BytesOf<double>(b)}));
  EXPECT_EQ(single, twice);
  return single;
}

TEST(AlikeAnswersTest, RoundingsAreAlike) {
  EXPECT_TRUE(AreAlikeFloats({1, 2, 3}, {1, 2, 3}));
  EXPECT_TRUE(AreAlikeFloats({1, 0.1, 10}, {1, 0.9, 10}));  // of the largest
  EXPECT_FALSE(AreAlikeFloats({1, 0.1, 10}, {1, 1.2, 10}));
  EXPECT_TRUE(AreAlikeFloats({0, 0}, {0, 0}));
  EXPECT_FALSE(AreAlikeFloats({1e-9, 0}, {0, 0}));
  EXPECT_TRUE(AreAlikeFloats({}, {}));
}

TEST(AlikeAnswersTest, WhatIsNotFiniteMustBeSoInBoth) {
  for (const double odd : {kNaN, kInf, -kInf}) {
    EXPECT_TRUE(AreAlikeFloats({odd, 1}, {odd, 1})) << odd;
    EXPECT_FALSE(AreAlikeFloats({odd, 1}, {odd, 2})) << odd << ": the rest counts";
    for (const double other : {1.0, 0.0, kNaN, kInf, -kInf}) {
      if (other == odd || (std::isnan(other) && std::isnan(odd))) continue;
      EXPECT_FALSE(AreAlikeFloats({odd, 1}, {other, 1})) << odd << " " << other;
      EXPECT_FALSE(AreAlikeFloats({other, 1}, {odd, 1})) << other << " " << odd;
    }
  }
}

TEST(AlikeAnswersTest, WholeNumbersCountWhereThereIsNothingElse) {
  const Signature alone{{}, {{"y", DType::kInt64, {2}}, {"z", DType::kInt32, {1}}}};
  const auto whole = [](const Values& y, const Values& z) {
    return Computed({BytesOf<std::int64_t>(y), BytesOf<std::int32_t>(z)});
  };
  EXPECT_TRUE(AreAlike(alone, whole({1, 2}, {3}), whole({1, 2}, {3})));
  EXPECT_FALSE(AreAlike(alone, whole({1, 2}, {3}), whole({1, 3}, {3})));
  EXPECT_FALSE(AreAlike(alone, whole({1, 2}, {3}), whole({1, 2}, {4})));
  const Signature beside{{}, {{"y", DType::kInt64, {1}}, {"z", DType::kFloat32, {1}}}};
  const auto mixed = [](double y, double z) { return Computed({BytesOf<std::int64_t>({y}), BytesOf<float>({z})}); };
  EXPECT_TRUE(AreAlike(beside, mixed(1, 3), mixed(2, 3)));
  EXPECT_FALSE(AreAlike(beside, mixed(1, 3), mixed(1, 4)));
}

TEST(AlikeAnswersTest, SignaturesAreNamesTypesAndShapes) {
  const Signature one{{{"x", DType::kFloat32, {1, 2}}}, {{"y", DType::kFloat32, {1}}}};
  EXPECT_TRUE(HaveOneSignature(one, one));
  Signature other = one;
  other.inputs[0].shape = {1, 3};
  EXPECT_FALSE(HaveOneSignature(one, other));
  other = one;
  other.outputs[0].name = "z";
  EXPECT_FALSE(HaveOneSignature(one, other));
  other = one;
  other.inputs.clear();
  EXPECT_FALSE(HaveOneSignature(one, other));
}

}  // namespace
}  // namespace punctual
