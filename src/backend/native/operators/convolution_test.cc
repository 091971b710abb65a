#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

#include "backend/native/operators/operator.h"
#include "backend/native/operators/operator_under_test.h"
#include "backend/native/operators/windows_for_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::OperatorUnderTest;
using test::RandomNumbers;
using test::WindowCase;

struct Case {
  WindowCase window;
  std::int64_t batch, in_channels, out_channels, group;
};

const std::vector<Case> kCases{
    {{.in = {9}, .kernel = {3}}, 1, 4, 5, 1},
    {{.in = {20}, .kernel = {3}, .dilations = {4}, .pads = {8, 0}}, 2, 3, 32, 1},
    {{.in = {20}, .kernel = {4}, .strides = {3}, .pads = {1, 2}}, 2, 1, 16, 1},
    {{.in = {11}, .kernel = {3}, .pads = {1, 1}}, 2, 6, 6, 6},
    {{.in = {11}, .kernel = {3}, .pads = {1, 1}}, 1, 6, 12, 6},
    {{.in = {11}, .kernel = {2}}, 2, 6, 9, 3},
    {{.in = {12, 10}, .kernel = {1, 2}, .strides = {1, 2}}, 2, 1, 16, 1},
    {{.in = {12, 10}, .kernel = {4, 1}, .pads = {3, 0, 0, 0}}, 1, 16, 16, 1},
    {{.in = {12, 10}, .kernel = {1, 10}}, 2, 16, 7, 1},
    {{.in = {7, 8}, .kernel = {3, 2}, .strides = {2, 3}, .dilations = {2, 1}, .pads = {1, 2, 3, 1}}, 2, 5, 40, 1},
    {{.in = {7, 8}, .kernel = {3, 3}, .pads = {1, 1, 1, 1}}, 1, 17, 17, 17},
    {{.in = {7, 8}, .kernel = {3, 3}, .auto_pad = "SAME_UPPER"}, 1, 2, 3, 1},
    {{.in = {7, 8}, .kernel = {2, 4}, .strides = {2, 2}, .auto_pad = "SAME_LOWER"}, 1, 2, 3, 1},
    {{.in = {7, 8}, .kernel = {2, 4}, .auto_pad = "VALID"}, 1, 2, 3, 1},
};

// [batch, outputs, places...], from inputs and weights as ONNX arranges them.
std::vector<double> Reference(const Case& c, const Constant& x, const Constant& w, const Constant& b) {
  const auto windows = c.window.Windows();
  const std::size_t in_places = CountOf(c.window.in), taps = CountOf(c.window.kernel);
  const auto channels = static_cast<std::size_t>(c.in_channels), outputs = static_cast<std::size_t>(c.out_channels);
  const auto groups = static_cast<std::size_t>(c.group);
  const std::size_t group_in = channels / groups, group_out = outputs / groups;
  std::vector<double> out;
  for (std::size_t n = 0; n < static_cast<std::size_t>(c.batch); ++n)
    for (std::size_t m = 0; m < outputs; ++m)
      for (const auto& window : windows) {
        auto sum = static_cast<double>(b.values<float>()[m]);
        for (std::size_t t = 0; t < taps; ++t)
          for (std::size_t k = 0; k < group_in && window[t] >= 0; ++k) {
            const std::size_t channel = m / group_out * group_in + k;
            sum += static_cast<double>(w.values<float>()[(m * group_in + k) * taps + t]) *
                   static_cast<double>(
                       x.values<float>()[(n * channels + channel) * in_places + static_cast<std::size_t>(window[t])]);
          }
        out.push_back(sum);
      }
  return out;
}

struct Numbers {
  explicit Numbers(const Case& c) {
    Dims x_dims{c.batch, c.in_channels}, w_dims{c.out_channels, c.in_channels / c.group};
    x_dims.insert(x_dims.end(), c.window.in.begin(), c.window.in.end());
    w_dims.insert(w_dims.end(), c.window.kernel.begin(), c.window.kernel.end());
    x = RandomNumbers(x_dims);
    w = RandomNumbers(w_dims);
    b = RandomNumbers({c.out_channels});
  }
  Given x, w, b;
};

TEST(ConvolutionTest, EveryWindowIsRight) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(ShapeText(c.window.in) + " kernel " + ShapeText(c.window.kernel) + " group " +
                 std::to_string(c.group));
    const Numbers numbers(c);
    OperatorUnderTest conv{.type = "Conv", .attributes = c.window.Attributes(), .is_constant = {false, true, true}};
    conv.attributes["group"] = c.group;
    const auto computed = conv.Run({numbers.x, numbers.w, numbers.b});
    ASSERT_TRUE(computed.has_value()) << computed.error().message;
    Dims dims{c.batch, c.out_channels};
    const Dims places = c.window.Out();
    dims.insert(dims.end(), places.begin(), places.end());
    test::ExpectNear(*computed.value()[0], dims, Reference(c, *numbers.x, *numbers.w, *numbers.b));
    // Also with weights that are only known now.
    conv.is_constant = {};
    test::ExpectSame(*conv.Run({numbers.x, numbers.w, numbers.b}).value()[0], *computed.value()[0]);
  }
}

TEST(ConvolutionTest, ChannelsLastGivesTheSameToTheBit) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(ShapeText(c.window.in) + " kernel " + ShapeText(c.window.kernel) + " group " +
                 std::to_string(c.group));
    const Numbers numbers(c);
    OperatorUnderTest conv{.type = "Conv", .attributes = c.window.Attributes(), .is_constant = {false, true, true}};
    conv.attributes["group"] = c.group;
    const auto plain = conv.Run({numbers.x, numbers.w, numbers.b}).value();
    conv.type = "Convolution";
    conv.domain = "punctual";
    conv.opset = 1;
    const auto last = conv.Run({test::ChannelsLast(*numbers.x), numbers.w, numbers.b}).value();
    test::ExpectSame(*last[0], *test::ChannelsLast(*plain[0]));
  }
}

TEST(ConvolutionTest, SomePositionsAreTheSameToTheBitAsAll) {
  const WindowCase window{.in = {20}, .kernel = {3}, .dilations = {2}, .pads = {4, 0}};
  const Case c{window, 2, 8, 24, 1};
  const Numbers numbers(c);
  const Given x = test::ChannelsLast(*numbers.x);
  OperatorUnderTest conv{.type = "Convolution",
                         .opset = 1,
                         .domain = "punctual",
                         .attributes = window.Attributes(),
                         .is_constant = {false, true, true}};
  const auto all = conv.Run({x, numbers.w, numbers.b}).value();
  conv.attributes["out_positions"] = std::vector<std::int64_t>{1, 7, 19};
  const auto some = conv.Run({x, numbers.w, numbers.b}).value();
  test::ExpectSame(*some[0], *test::TakeSecondAxis(*all[0], {1, 7, 19}));
  // Also when the input has only what they need.
  const std::vector<std::int64_t> there{1, 3, 5, 7, 15, 17, 19};
  conv.attributes["in_positions"] = there;
  conv.attributes["in_length"] = std::int64_t{20};
  const auto from_some = conv.Run({test::TakeSecondAxis(*x, there), numbers.w, numbers.b}).value();
  test::ExpectSame(*from_some[0], *some[0]);
}

TEST(ConvolutionTest, WhatDoesNotFitIsRefused) {
  OperatorUnderTest conv{.type = "Conv", .is_constant = {false, true, true}};
  const Given x = RandomNumbers({1, 4, 5});
  EXPECT_EQ(conv.Run({x, RandomNumbers({2, 3, 3})}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(conv.Run({x, RandomNumbers({2, 4, 6})}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(conv.Run({x, RandomNumbers({2, 4, 3}), RandomNumbers({3})}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(conv.Run({RandomNumbers({1, 1, 3, 3, 3}), RandomNumbers({1, 1, 2, 2, 2})}).error().code,
            Code::kFailedPrecondition);
  conv.attributes["pads"] = std::vector<std::int64_t>{-1, 0};
  EXPECT_EQ(conv.Run({x, RandomNumbers({2, 4, 3})}).error().code, Code::kInvalidArgument);
  conv.attributes = {{"strides", std::vector<std::int64_t>{0}}};
  EXPECT_EQ(conv.Run({x, RandomNumbers({2, 4, 3})}).error().code, Code::kInvalidArgument);
  // A table of windows that no file should ask for.
  conv.attributes = {};
  const Given large = RandomNumbers({1, 1, 400, 400});
  EXPECT_EQ(conv.Run({large, RandomNumbers({1, 1, 200, 200})}).error().code, Code::kFailedPrecondition);
}

TEST(ConvolutionTest, AKernelShapeThatIsNotTheWeightsIsRefused) {
  OperatorUnderTest op{.type = "Conv", .attributes = {{"kernel_shape", std::vector<std::int64_t>{3}}}};
  EXPECT_TRUE(op.Run({RandomNumbers({1, 2, 6}), RandomNumbers({4, 2, 3})}).has_value());
  EXPECT_EQ(op.Run({RandomNumbers({1, 2, 6}), RandomNumbers({4, 2, 2})}).error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace punctual::native
