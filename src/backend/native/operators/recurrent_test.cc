#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

constexpr std::int64_t kSteps = 4, kBatch = 2, kInputs = 3, kHidden = 5;

Given Random(Dims dims, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> between(-1, 1);
  std::vector<float> numbers(CountOf(dims));
  for (float& number : numbers) number = between(engine);
  return Numbers(std::move(dims), numbers);
}

// The part of the first dimension from `begin` on.
Given Part(const Given& of, std::int64_t begin, std::int64_t count) {
  Dims dims = of->dims();
  const std::size_t each = of->count() / static_cast<std::size_t>(dims[0]);
  dims[0] = count;
  const auto values = of->values<float>().subspan(static_cast<std::size_t>(begin) * each);
  return Numbers(dims, std::vector<float>(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(CountOf(dims))));
}

// The two first dimensions exchanged.
Given Exchanged(const Given& of) {
  const auto values = of->values<float>();
  Dims dims = of->dims();
  const auto rows = static_cast<std::size_t>(dims[0]), columns = static_cast<std::size_t>(dims[1]);
  const std::size_t each = values.size() / (rows * columns);
  std::vector<float> numbers(values.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c)
      for (std::size_t i = 0; i < each; ++i) numbers[(c * rows + r) * each + i] = values[(r * columns + c) * each + i];
  std::swap(dims[0], dims[1]);
  return Numbers(dims, numbers);
}

void ExpectEqual(const Given& expected, const Given& computed) {
  EXPECT_EQ(computed->dims(), expected->dims());
  ASSERT_EQ(computed->count(), expected->count());
  for (std::size_t i = 0; i < expected->count(); ++i)
    EXPECT_NEAR(computed->values<float>()[i], expected->values<float>()[i], 1e-6f) << i;
}

struct RecurrentOperatorTest : ::testing::TestWithParam<const char*> {
  bool is_lstm = std::string(GetParam()) == "LSTM";
  std::int64_t gates = is_lstm ? 4 : 3;
  Given x = Random({kSteps, kBatch, kInputs}, 1);
  Given w = Random({2, gates*kHidden, kInputs}, 2), r = Random({2, gates*kHidden, kHidden}, 3);
  Given b = Random({2, 2 * gates* kHidden}, 4);
  Given h = Random({2, kBatch, kHidden}, 5), c = Random({2, kBatch, kHidden}, 6);
  Given p = Random({2, 3 * kHidden}, 7);

  OperatorUnderTest Operator(const char* direction, std::int64_t layout = 0) const {
    OperatorUnderTest op{.type = GetParam()};
    op.attributes["direction"] = std::string(direction);
    op.attributes["hidden_size"] = kHidden;
    if (layout != 0) op.attributes["layout"] = layout;
    op.outputs = is_lstm ? 3 : 2;
    op.is_constant = {false, true, true, true, true, false, false, true};
    return op;
  }
  std::vector<Given> Inputs(std::int64_t first, std::int64_t count) const {
    const auto part = [=](const Given& of) { return Part(of, first, count); };
    std::vector<Given> inputs = {x, part(w), part(r), part(b), nullptr, part(h)};
    if (is_lstm) inputs.insert(inputs.end(), {part(c), part(p)});
    return inputs;
  }
};

TEST_P(RecurrentOperatorTest, BidirectionalIsBothDirections) {
  const auto both = Operator("bidirectional").Run(Inputs(0, 2)).value();
  const auto forward = Operator("forward").Run(Inputs(0, 1)).value();
  const auto reverse = Operator("reverse").Run(Inputs(1, 1)).value();
  EXPECT_EQ(both[0]->dims(), (Dims{kSteps, 2, kBatch, kHidden}));
  const Given by_direction = Exchanged(both[0]);
  ExpectEqual(Exchanged(forward[0]), Part(by_direction, 0, 1));
  ExpectEqual(Exchanged(reverse[0]), Part(by_direction, 1, 1));
  for (std::size_t i = 1; i < both.size(); ++i) {
    ExpectEqual(forward[i], Part(both[i], 0, 1));
    ExpectEqual(reverse[i], Part(both[i], 1, 1));
  }
  // The last states are those of the last step, which in reverse is the first.
  const auto y = reverse[0]->values<float>().first(kBatch * kHidden);
  EXPECT_TRUE(std::equal(y.begin(), y.end(), reverse[1]->values<float>().begin()));
}

TEST_P(RecurrentOperatorTest, TheBatchMayStandFirst) {
  const auto steps_first = Operator("bidirectional").Run(Inputs(0, 2)).value();
  auto inputs = Inputs(0, 2);
  inputs[0] = Exchanged(inputs[0]);
  for (const std::size_t state : {5, 6})
    if (state < inputs.size()) inputs[state] = Exchanged(inputs[state]);
  const auto batch_first = Operator("bidirectional", 1).Run(inputs).value();
  EXPECT_EQ(batch_first[0]->dims(), (Dims{kBatch, kSteps, 2, kHidden}));
  for (std::size_t i = 1; i < batch_first.size(); ++i) ExpectEqual(Exchanged(steps_first[i]), batch_first[i]);
  // [step][direction][batch] and [batch][step][direction].
  const auto y = steps_first[0]->values<float>(), z = batch_first[0]->values<float>();
  for (std::size_t t = 0; t < kSteps; ++t)
    for (std::size_t d = 0; d < 2; ++d)
      for (std::size_t n = 0; n < kBatch; ++n)
        for (std::size_t u = 0; u < kHidden; ++u)
          EXPECT_NEAR(y[((t * 2 + d) * kBatch + n) * kHidden + u], z[((n * kSteps + t) * 2 + d) * kHidden + u], 1e-6f);
}

TEST_P(RecurrentOperatorTest, WhatIsNotSupportedIsRefusedByName) {
  const auto refusal = [&](const char* attribute, const Attribute& value) {
    auto op = Operator("forward");
    op.attributes[attribute] = value;
    const auto result = op.Run(Inputs(0, 1));
    EXPECT_TRUE(result.has_error()) << attribute;
    return result.has_error() ? result.error() : Error{};
  };
  EXPECT_EQ(refusal("clip", 3.0f).code, Code::kFailedPrecondition);
  EXPECT_EQ(refusal("direction", std::string("sideways")).code, Code::kInvalidArgument);
  EXPECT_EQ(refusal("hidden_size", std::int64_t{7}).code, Code::kInvalidArgument);
  const auto names = [&](const char* first) {
    std::vector<std::string> all(is_lstm ? 3 : 2, "Tanh");
    all[0] = first;
    return all;
  };
  EXPECT_NE(refusal("activations", names("Softsign")).message.find("Softsign"), std::string::npos);
  EXPECT_EQ(refusal("activations", std::vector<std::string>{"Tanh"}).code, Code::kInvalidArgument);
  auto op = Operator("forward");
  op.attributes["activations"] = names("HardSigmoid");
  EXPECT_TRUE(op.Run(Inputs(0, 1)).has_value());

  auto inputs = Inputs(0, 1);
  inputs[4] = Numbers<std::int32_t>({kBatch}, {kSteps, kSteps});
  EXPECT_TRUE(Operator("forward").Run(inputs).has_value());
  inputs[4] = Numbers<std::int32_t>({kBatch}, {kSteps, kSteps - 1});
  EXPECT_EQ(Operator("forward").Run(inputs).error().code, Code::kFailedPrecondition);
  inputs = Inputs(0, 1);
  inputs[1] = inputs[2];
  EXPECT_EQ(Operator("forward").Run(inputs).error().code, Code::kInvalidArgument);
  op = Operator("forward");
  op.is_constant.clear();
  EXPECT_EQ(op.Run(Inputs(0, 1)).error().code, Code::kFailedPrecondition);
}

INSTANTIATE_TEST_SUITE_P(Cells, RecurrentOperatorTest, ::testing::Values("LSTM", "GRU"),
                         [](const auto& cell) { return std::string(cell.param); });

// By hand: one unit, one input, one step, all weights 1 but for those of the gate.
TEST(RecurrentGatesTest, TheyStandInTheOrderOfOnnx) {
  const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  const Given one = Numbers<float>({1, 1, 1}, {1});
  OperatorUnderTest lstm{.type = "LSTM", .outputs = 3, .is_constant = {false, true, true}};
  const auto of_lstm =
      lstm.Run({one, Numbers<float>({1, 4, 1}, {0.1f, 0.2f, 0.3f, 0.4f}), Numbers<float>({1, 4, 1}, {0, 0, 0, 0}),
                nullptr, nullptr, nullptr, Numbers<float>({1, 1, 1}, {2})})
          .value();
  const double c = sigmoid(0.3) * 2 + sigmoid(0.1) * std::tanh(0.4);
  EXPECT_NEAR(static_cast<double>(of_lstm[2]->values<float>()[0]), c, 1e-6);
  EXPECT_NEAR(static_cast<double>(of_lstm[1]->values<float>()[0]), sigmoid(0.2) * std::tanh(c), 1e-6);

  for (const std::int64_t after : {0, 1}) {
    OperatorUnderTest gru{.type = "GRU", .outputs = 2, .is_constant = {false, true, true, true}};
    gru.attributes["linear_before_reset"] = after;
    const auto of_gru =
        gru.Run({one, Numbers<float>({1, 3, 1}, {0.1f, 0.2f, 0.3f}), Numbers<float>({1, 3, 1}, {0, 0, 1}),
                 Numbers<float>({1, 6}, {0, 0, 0, 0, 0, 0.5f}), nullptr, Numbers<float>({1, 1, 1}, {2})})
            .value();
    const double r = sigmoid(0.2), z = sigmoid(0.1);
    const double candidate = std::tanh(0.3 + (after != 0 ? r * (2 + 0.5) : r * 2 + 0.5));
    EXPECT_NEAR(static_cast<double>(of_gru[1]->values<float>()[0]), (1 - z) * candidate + z * 2, 1e-6);
  }
}

}  // namespace
}  // namespace punctual::native
