#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
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

const std::vector<WindowCase> kCases{
    {.in = {9}, .kernel = {3}},
    {.in = {9}, .kernel = {3}, .strides = {1}, .pads = {1, 1}},
    {.in = {10}, .kernel = {3}, .strides = {2}, .ceil_mode = true},
    {.in = {10}, .kernel = {3}, .strides = {4}, .pads = {1, 2}, .ceil_mode = true},
    {.in = {6, 8}, .kernel = {2, 3}, .strides = {2, 2}, .pads = {1, 0, 1, 2}},
    {.in = {6, 8}, .kernel = {2, 3}, .strides = {3, 2}, .pads = {1, 1, 1, 1}, .ceil_mode = true},
    {.in = {6, 8}, .kernel = {3, 2}, .dilations = {2, 3}},
    {.in = {6, 8}, .kernel = {3, 4}, .strides = {2, 2}, .auto_pad = "SAME_UPPER"},
    {.in = {6, 8}, .kernel = {3, 4}, .strides = {2, 2}, .auto_pad = "SAME_LOWER"},
};

constexpr std::size_t kBatch = 2, kChannels = 5;

Given Input(const WindowCase& window) {
  Dims dims{kBatch, kChannels};
  dims.insert(dims.end(), window.in.begin(), window.in.end());
  return RandomNumbers(dims);
}

// f(numbers under the window, how many places with padding) for each place of the output.
template <class F>
std::vector<double> ForWindows(const WindowCase& window, const Constant& x, const F& f) {
  const auto windows = window.Windows();
  const std::size_t places = CountOf(window.in);
  std::vector<double> out;
  for (std::size_t plane = 0; plane < kBatch * kChannels; ++plane)
    for (const auto& taps : windows) {
      std::vector<double> numbers;
      for (const std::int64_t place : taps)
        if (place >= 0)
          numbers.push_back(static_cast<double>(x.values<float>()[plane * places + static_cast<std::size_t>(place)]));
      out.push_back(f(numbers, taps.size() - static_cast<std::size_t>(std::count(taps.begin(), taps.end(), -2))));
    }
  return out;
}

double Sum(const std::vector<double>& numbers) {
  double sum = 0;
  for (const double number : numbers) sum += number;
  return sum;
}

// Plain, and channels-last to the same bits.
void Check(OperatorUnderTest pool, const WindowCase& window, const Given& x, const std::vector<double>& expected) {
  SCOPED_TRACE(std::string(pool.type) + " of " + ShapeText(window.in) + " kernel " + ShapeText(window.kernel));
  const auto computed = pool.Run({x});
  ASSERT_TRUE(computed.has_value()) << computed.error().message;
  Dims dims{kBatch, kChannels};
  const Dims places = window.Out();
  dims.insert(dims.end(), places.begin(), places.end());
  test::ExpectNear(*computed.value()[0], dims, expected);
  pool.attributes["of"] = std::string(pool.type);
  pool.type = "Pool";
  pool.domain = "punctual";
  pool.opset = 1;
  const auto last = pool.Run({test::ChannelsLast(*x)}).value();
  test::ExpectSame(*last[0], *test::ChannelsLast(*computed.value()[0]));
}

TEST(PoolingTest, TheLargestUnderEachWindow) {
  for (const WindowCase& window : kCases) {
    const Given x = Input(window);
    Check({.type = "MaxPool", .attributes = window.Attributes()}, window, x,
          ForWindows(window, *x, [](const std::vector<double>& numbers, std::size_t) {
            return *std::max_element(numbers.begin(), numbers.end());
          }));
  }
}

TEST(PoolingTest, TheMeanUnderEachWindow) {
  for (const WindowCase& window : kCases) {
    const Given x = Input(window);
    OperatorUnderTest pool{.type = "AveragePool", .attributes = window.Attributes()};
    Check(pool, window, x, ForWindows(window, *x, [](const std::vector<double>& numbers, std::size_t) {
            return Sum(numbers) / static_cast<double>(numbers.size());
          }));
    pool.attributes["count_include_pad"] = std::int64_t{1};
    Check(pool, window, x, ForWindows(window, *x, [](const std::vector<double>& numbers, std::size_t places) {
            return Sum(numbers) / static_cast<double>(places);
          }));
  }
}

TEST(PoolingTest, GlobalPoolsTakeThePlaceOfAll) {
  const WindowCase window{.in = {6, 8}, .kernel = {6, 8}};
  const Given x = Input(window);
  Check({.type = "GlobalAveragePool"}, window, x, ForWindows(window, *x, [](const auto& numbers, std::size_t) {
          return Sum(numbers) / static_cast<double>(numbers.size());
        }));
  Check({.type = "GlobalMaxPool"}, window, x, ForWindows(window, *x, [](const auto& numbers, std::size_t) {
          return *std::max_element(numbers.begin(), numbers.end());
        }));
}

TEST(PoolingTest, WhatIsNotKnownIsRefused) {
  const Given x = RandomNumbers({1, 2, 6});
  EXPECT_EQ(OperatorUnderTest{.type = "MaxPool"}.Run({x}).error().code, Code::kInvalidArgument);
  OperatorUnderTest pool{.type = "MaxPool", .attributes = {{"kernel_shape", std::vector<std::int64_t>{2}}}};
  pool.outputs = 2;
  EXPECT_EQ(pool.Run({x}).error().code, Code::kFailedPrecondition);
  pool.outputs = 1;
  EXPECT_EQ(pool.Run({RandomNumbers({1, 2, 1})}).error().code, Code::kInvalidArgument);
}

TEST(PoolingTest, GlobalPoolsKnowNoWindows) {
  const Given x = RandomNumbers({1, 2, 6});
  for (const char* const type : {"GlobalMaxPool", "GlobalAveragePool"})
    for (const char* const name : {"strides", "pads", "dilations", "kernel_shape"}) {
      OperatorUnderTest op{.type = type, .attributes = {{name, std::vector<std::int64_t>{1}}}};
      EXPECT_EQ(op.Run({x}).error().code, Code::kFailedPrecondition);
    }
}

}  // namespace
}  // namespace punctual::native
