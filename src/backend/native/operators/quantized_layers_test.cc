#include "backend/native/operators/quantized_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;

using Ints = std::vector<std::int64_t>;

// A convolution over two axes, as its definition has it; over one, the second has size 1.
struct Convolution {
  std::int64_t batch = 1, depth = 1, channels = 1, x_zero_point = 9;
  std::int64_t in[2] = {1, 1}, kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  std::int64_t before[2] = {0, 0}, after[2] = {0, 0};
  bool has_second = true;

  std::int64_t out(int axis) const {
    return (in[axis] + before[axis] + after[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1;
  }
  Dims Shape(std::int64_t outer, const std::int64_t* sizes, std::int64_t inner) const {
    return has_second ? Dims{outer, sizes[0], sizes[1], inner} : Dims{outer, sizes[0], inner};
  }
  Ints Each(const std::int64_t* of) const { return has_second ? Ints{of[0], of[1]} : Ints{of[0]}; }

  void ExpectItsDefinition() const {
    std::mt19937 random(1);
    const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    std::vector<std::uint8_t> x(CountOf(Shape(batch, in, depth)));
    for (auto& code : x) code = static_cast<std::uint8_t>(any(0, 255));
    std::vector<std::int8_t> weights(CountOf(Shape(channels, kernel, depth)));
    for (auto& weight : weights) weight = static_cast<std::int8_t>(any(-128, 127));
    std::vector<std::int32_t> bias;
    for (std::int64_t i = 0; i < channels; ++i) bias.push_back(any(-1000, 1000));

    std::vector<float> expected;
    for (std::int64_t b = 0; b < batch; ++b)
      for (std::int64_t i = 0; i < out(0); ++i)
        for (std::int64_t j = 0; j < out(1); ++j)
          for (std::int64_t channel = 0; channel < channels; ++channel) {
            std::int64_t sum = bias[static_cast<std::size_t>(channel)];
            for (std::int64_t p = 0; p < kernel[0]; ++p)
              for (std::int64_t q = 0; q < kernel[1]; ++q)
                for (std::int64_t k = 0; k < depth; ++k) {
                  const std::int64_t u = i * stride[0] + p * dilation[0] - before[0];
                  const std::int64_t v = j * stride[1] + q * dilation[1] - before[1];
                  const bool is_there = u >= 0 && u < in[0] && v >= 0 && v < in[1];
                  const auto at = static_cast<std::size_t>(((b * in[0] + u) * in[1] + v) * depth + k);
                  const auto weight = static_cast<std::size_t>(((channel * kernel[0] + p) * kernel[1] + q) * depth + k);
                  sum += (is_there ? x[at] : x_zero_point) * weights[weight];
                }
            expected.push_back(static_cast<float>(sum) * 0.5f);
          }

    Attributes attributes = {{"strides", Each(stride)}, {"dilations", Each(dilation)}, {"x_zero_point", x_zero_point}};
    Ints pads = Each(before);
    const Ints pads_after = Each(after);
    pads.insert(pads.end(), pads_after.begin(), pads_after.end());
    attributes["pads"] = pads;
    const auto computed =
        test::OperatorUnderTest{.type = "QuantizedConv",
                                .opset = 1,
                                .domain = "punctual",
                                .attributes = attributes,
                                .is_constant = {false, true, true, true}}
            .Run({Numbers(Shape(batch, in, depth), x), Numbers(Shape(channels, kernel, depth), weights),
                  Numbers<std::int32_t>({channels}, bias),
                  Numbers<float>({channels}, std::vector<float>(bias.size(), 0.5f))});
    ASSERT_TRUE(computed.has_value()) << computed.error().message;
    const std::int64_t sizes[2] = {out(0), out(1)};
    EXPECT_EQ(computed.value()[0]->dims(), Shape(batch, sizes, channels));
    const auto values = computed.value()[0]->values<float>();
    EXPECT_EQ(std::vector<float>(values.begin(), values.end()), expected);
  }
};

TEST(QuantizedConvTest, ComputesItsDefinition) {
  Convolution of;
  of.in[0] = 7, of.in[1] = 6, of.kernel[0] = 3, of.kernel[1] = 2, of.depth = 5, of.channels = 18;
  of.ExpectItsDefinition();
  of.before[0] = 1, of.after[1] = 1, of.batch = 2;
  of.ExpectItsDefinition();
  of.stride[0] = 2, of.dilation[1] = 2;
  of.ExpectItsDefinition();
  of.before[1] = 2, of.after[0] = 3;
  of.ExpectItsDefinition();
}

TEST(QuantizedConvTest, WorksAlongOneAxis) {
  Convolution of;
  of.has_second = false;
  of.in[0] = 11, of.kernel[0] = 3, of.depth = 4, of.channels = 33;
  of.ExpectItsDefinition();
  of.before[0] = 4, of.dilation[0] = 2, of.batch = 3;  // a causal one
  of.ExpectItsDefinition();
  of.stride[0] = 3;
  of.ExpectItsDefinition();
}

TEST(QuantizedConvTest, AKernelThatDoesNotFitIsRefused) {
  const auto run = [](Attributes attributes) {
    return test::OperatorUnderTest{.type = "QuantizedConv",
                                   .opset = 1,
                                   .domain = "punctual",
                                   .attributes = std::move(attributes),
                                   .is_constant = {false, true, true, true}}
        .Run({Numbers<std::uint8_t>({1, 3, 1}, {1, 2, 3}), Numbers<std::int8_t>({1, 2, 1}, {1, 1}),
              Numbers<std::int32_t>({1}, {0}), Numbers<float>({1}, {1})});
  };
  EXPECT_TRUE(run({}).has_value());
  EXPECT_TRUE(run({{"dilations", Ints{3}}}).has_error());
  EXPECT_TRUE(run({{"strides", Ints{0}}}).has_error());
  EXPECT_TRUE(run({{"pads", Ints{-1, 0}}}).has_error());
}

}  // namespace
}  // namespace punctual::native
