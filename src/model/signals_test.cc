#include "model/signals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual {
namespace {

using ::testing::HasSubstr;

const std::vector<TensorSpec> kOutputs = {{"p", DType::kFloat32, {1, 2}}, {"q", DType::kFloat32, {}}};
const std::string kHeader = "symbol,computed_at_ns,p_0,p_1,q_0\n";

TEST(SignalsTest, ReadsALinePerSymbol) {
  const Signals signals = ParseSignals(kHeader + "A,17,0.25,-1e-3,3\r\n\nB,18,1,2,3", "s.csv", kOutputs).value();
  ASSERT_EQ(signals.size(), 2u);
  const Signal& a = signals.at("A");
  EXPECT_EQ(a.computed_at_ns, 17);
  EXPECT_EQ(a.outputs[0].name, "p");
  EXPECT_TRUE(std::ranges::equal(a.outputs[0].shape, Shape{1, 2}));
  EXPECT_EQ(a.outputs[0].values<float>()[1], -1e-3f);
  EXPECT_EQ(a.outputs[1].values<float>()[0], 3.0f);
}

TEST(SignalsTest, MistakesNameFileLineAndColumn) {
  const auto error = [](const std::string& text) { return ParseSignals(text, "s.csv", kOutputs).error().message; };
  EXPECT_THAT(error("symbol,computed_at_ns,p_0,p_2,q_0\n"), HasSubstr("s.csv:1: column 4 must be called p_1"));
  EXPECT_THAT(error(kHeader + "A,17,1,2\n"), HasSubstr("s.csv:2: has 4 columns, must have 5"));
  EXPECT_THAT(error(kHeader + "A,soon,1,2,3\n"), HasSubstr("computed_at_ns"));
  EXPECT_THAT(error(kHeader + "A,17,1,nan,3\n"), HasSubstr("p_1: must be a finite number"));
  EXPECT_THAT(error(kHeader + "A,17,1,1e99,3\n"), HasSubstr("p_1"));
  EXPECT_THAT(error(kHeader + "A,17,1,2,3\nA,17,1,2,3\n"), HasSubstr("s.csv:3: symbol: \"A\" stands there twice"));
  EXPECT_THAT(ParseSignals("", "s.csv", {{"n", DType::kInt64, {1}}}).error().message, HasSubstr("float32"));
}

}  // namespace
}  // namespace punctual
