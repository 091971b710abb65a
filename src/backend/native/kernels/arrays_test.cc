// The kernels that go through arrays: on every target, for all lengths around those of vectors, against double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "backend/native/kernels/binary.h"
#include "backend/native/kernels/every_target.h"
#include "backend/native/kernels/normalize.h"
#include "backend/native/kernels/reduce.h"
#include "backend/native/kernels/softmax.h"
#include "backend/native/kernels/unary.h"

namespace punctual::native {
namespace {

constexpr std::size_t kBeyond = 16;  // floats that kernels may read
constexpr float kUntouched = 77;

std::vector<float> Random(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> between(-3, 3);
  std::vector<float> numbers(count + kBeyond);
  for (float& number : numbers) number = between(engine);
  // What stands beyond the end must not matter.
  for (std::size_t i = count; i < numbers.size(); ++i) numbers[i] = std::numeric_limits<float>::quiet_NaN();
  return numbers;
}

double D(float x) { return static_cast<double>(x); }

// `computed` holds `expected`, and beyond it nothing was written.
void ExpectNumbers(const std::vector<double>& expected, const std::vector<float>& computed, double error) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double away = std::abs(expected[i] - D(computed[i])) / std::max(1.0, std::abs(expected[i]));
    if (!(away <= worst)) worst = away;
  }
  EXPECT_LE(worst, error);
  for (std::size_t i = expected.size(); i < computed.size(); ++i) EXPECT_EQ(computed[i], kUntouched);
}

TEST(BinaryTest, ShapesAreBroadcastAsInNumpy) {
  struct Shapes {
    std::vector<std::int64_t> a, b, out;
  };
  const Shapes all[] = {
      {{5, 7}, {5, 7}, {5, 7}},
      {{5, 7}, {}, {5, 7}},
      {{}, {5, 7}, {5, 7}},
      {{4, 33}, {33}, {4, 33}},
      {{2, 3, 19}, {3, 1}, {2, 3, 19}},
      {{2, 1, 5}, {3, 1}, {2, 3, 5}},
      {{1, 1}, {1}, {1, 1}},
      {{2, 1, 4, 1}, {3, 1, 6}, {2, 3, 4, 6}},
      {{3, 0}, {1, 1}, {3, 0}},
      {{2, 3, 1, 5}, {2, 1, 4, 5}, {2, 3, 4, 5}},
      {{1, 1}, {1, 1}, {4, 5}},
  };
  const auto count = [](const std::vector<std::int64_t>& dims) {
    std::size_t product = 1;
    for (const std::int64_t d : dims) product *= static_cast<std::size_t>(d);
    return product;
  };
  // The number of `dims` that belongs to number `i` of `out`.
  const auto at = [](std::size_t i, const std::vector<std::int64_t>& out, const std::vector<std::int64_t>& dims) {
    std::size_t index = 0, step = 1;
    for (std::size_t k = 0; k < out.size(); ++k) {
      const auto size = static_cast<std::size_t>(out[out.size() - 1 - k]);
      const auto own = k < dims.size() ? static_cast<std::size_t>(dims[dims.size() - 1 - k]) : 1;
      if (own != 1) index += i % size * step;
      step *= own;
      i /= size;
    }
    return index;
  };
  for (const Shapes& shapes : all) {
    const auto a = Random(count(shapes.a), 1), b = Random(count(shapes.b), 2);
    const Broadcasting<2> shape(shapes.out, {shapes.a, shapes.b});
    std::vector<double> expected(count(shapes.out));
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] = D(a[at(i, shapes.out, shapes.a)]) - D(b[at(i, shapes.out, shapes.b)]);
    test::OnEveryTarget([&] {
      std::vector<float> out(expected.size() + kBeyond, kUntouched);
      ComputeBinary(BinaryFunction::kSub, shape, a.data(), b.data(), out.data());
      ExpectNumbers(expected, out, 1e-7);
    });
  }
}

Broadcasting<2> Same(std::size_t count) {
  const std::vector<std::int64_t> dims = {static_cast<std::int64_t>(count)};
  return {dims, {dims, dims}};
}

TEST(BinaryTest, FunctionsComputeWhatTheirNamesSay) {
  using F = BinaryFunction;
  const std::pair<F, double (*)(double, double)> functions[] = {
      {F::kAdd, [](double a, double b) { return a + b; }},
      {F::kSub, [](double a, double b) { return a - b; }},
      {F::kMul, [](double a, double b) { return a * b; }},
      {F::kDiv, [](double a, double b) { return a / b; }},
      {F::kMin, [](double a, double b) { return std::min(a, b); }},
      {F::kMax, [](double a, double b) { return std::max(a, b); }},
      {F::kPow, [](double a, double b) { return std::pow(a, b); }},
  };
  for (const auto& [function, reference] : functions) {
    for (std::size_t count = 0; count < 40; ++count) {
      auto a = Random(count, 3), b = Random(count, 4);
      std::vector<double> expected(count);
      for (std::size_t i = 0; i < count; ++i) {
        a[i] = std::abs(a[i]);
        expected[i] = reference(D(a[i]), D(b[i]));
      }
      test::OnEveryTarget([&, function = function] {
        std::vector<float> out(count + kBeyond, kUntouched);
        ComputeBinary(function, Same(count), a.data(), b.data(), out.data());
        ExpectNumbers(expected, out, 1e-6);
        std::vector<float> in_place = a;
        in_place.resize(count);
        ComputeBinary(function, Same(count), in_place.data(), b.data(), in_place.data());
        ExpectNumbers(expected, in_place, 1e-6);
      });
    }
  }
}

TEST(BinaryTest, ExtremesOfNaNAreNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> a(kBeyond + 2), b = a;
  a[0] = nan, b[1] = nan;
  test::OnEveryTarget([&] {
    for (const auto function : {BinaryFunction::kMin, BinaryFunction::kMax}) {
      std::vector<float> out(2);
      ComputeBinary(function, Same(2), a.data(), b.data(), out.data());
      EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
    }
  });
}

TEST(BinaryTest, IntegersNeverTrap) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  const std::vector<std::int64_t> a = {7, -7, 1, kLeast, kLeast}, b = {2, 2, 0, -1, 1};
  std::vector<std::int64_t> out(a.size());
  ComputeBinary(BinaryFunction::kDiv, Same(5), a.data(), b.data(), out.data());
  EXPECT_EQ(out, (std::vector<std::int64_t>{3, -3, 0, kLeast, kLeast}));
  ComputeBinary(BinaryFunction::kSub, Same(5), a.data(), b.data(), out.data());
  EXPECT_EQ(out, (std::vector<std::int64_t>{5, -9, 1, kLeast + 1, std::numeric_limits<std::int64_t>::max()}));
}

TEST(UnaryTest, FunctionsComputeWhatTheirNamesSay) {
  using Kind = UnaryFunction::Kind;
  struct Function {
    UnaryFunction function;
    double (*reference)(double);
    bool of_positive = false;
  };
  const Function functions[] = {
      {{Kind::kAbs}, [](double x) { return std::abs(x); }},
      {{Kind::kNeg}, [](double x) { return -x; }},
      {{Kind::kSqrt}, [](double x) { return std::sqrt(x); }, true},
      {{Kind::kReciprocal}, [](double x) { return 1 / x; }},
      {{Kind::kExp}, [](double x) { return std::exp(x); }},
      {{Kind::kLog}, [](double x) { return std::log(x); }, true},
      {{Kind::kErf}, [](double x) { return std::erf(x); }},
      {{Kind::kRelu}, [](double x) { return std::max(0.0, x); }},
      {{Kind::kLeakyRelu, 0.25f}, [](double x) { return x < 0 ? 0.25 * x : x; }},
      {{Kind::kClip, -1, 2}, [](double x) { return std::max(-1.0, std::min(2.0, x)); }},
      {{Kind::kElu, 1.5f}, [](double x) { return x < 0 ? 1.5 * std::expm1(x) : x; }},
      {{Kind::kSelu, 1.5f, 2}, [](double x) { return 2 * (x < 0 ? 1.5 * std::expm1(x) : x); }},
      {{Kind::kGelu}, [](double x) { return x * 0.5 * (1 + std::erf(x * std::sqrt(0.5))); }},
      {{Kind::kSigmoid}, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {{Kind::kHardSigmoid, 0.25f, 0.5f}, [](double x) { return std::max(0.0, std::min(1.0, 0.25 * x + 0.5)); }},
      {{Kind::kTanh}, [](double x) { return std::tanh(x); }},
      {{Kind::kSoftplus}, [](double x) { return std::log1p(std::exp(x)); }},
  };
  for (const Function& of : functions) {
    for (std::size_t count = 0; count < 40; ++count) {
      auto x = Random(count, 5);
      std::vector<double> expected(count);
      for (std::size_t i = 0; i < count; ++i) {
        if (of.of_positive) x[i] = std::abs(x[i]);
        expected[i] = of.reference(D(x[i]));
      }
      test::OnEveryTarget([&] {
        std::vector<float> y(count + kBeyond, kUntouched);
        ComputeUnary(of.function, x.data(), y.data(), count);
        ExpectNumbers(expected, y, 1e-6);
      });
    }
  }
}

TEST(SoftmaxTest, EveryAxisSumsToOne) {
  for (const std::size_t inner : {std::size_t{1}, std::size_t{3}, std::size_t{20}}) {
    for (const std::size_t count : {1, 2, 3, 7, 16, 17, 64, 100}) {
      const std::size_t outer = 3;
      auto x = Random(outer * count * inner, 6);
      x[0] = 300;  // overflows, were it not taken off
      std::vector<double> expected(outer * count * inner), logarithms(expected.size());
      for (std::size_t o = 0; o < outer; ++o)
        for (std::size_t i = 0; i < inner; ++i) {
          const auto at = [&](std::size_t k) { return (o * count + k) * inner + i; };
          double most = D(x[at(0)]), sum = 0;
          for (std::size_t k = 0; k < count; ++k) most = std::max(most, D(x[at(k)]));
          for (std::size_t k = 0; k < count; ++k) sum += std::exp(D(x[at(k)]) - most);
          for (std::size_t k = 0; k < count; ++k) {
            expected[at(k)] = std::exp(D(x[at(k)]) - most) / sum;
            logarithms[at(k)] = D(x[at(k)]) - most - std::log(sum);
          }
        }
      test::OnEveryTarget([&] {
        std::vector<float> y(expected.size() + kBeyond, kUntouched);
        Softmax(x.data(), y.data(), outer, count, inner);
        ExpectNumbers(expected, y, 5e-7);
        std::vector<float> in_place = x;
        Softmax(in_place.data(), in_place.data(), outer, count, inner);
        in_place.resize(expected.size());
        ExpectNumbers(expected, in_place, 5e-7);
        LogSoftmax(x.data(), y.data(), outer, count, inner);
        ExpectNumbers(logarithms, y, 5e-7);
      });
    }
  }
}

TEST(NormalizeTest, RowsGetAMeanOfZeroAndAVarianceOfOne) {
  for (const bool by_row : {false, true}) {
    for (const bool has_scale : {false, true}) {
      for (const std::size_t count : {1, 2, 7, 16, 33, 100, 256}) {
        RowNormalization how;
        how.rows = 4;
        how.count = count;
        how.by_row = by_row;
        how.channels = 2;
        const auto x = Random(how.rows * count, 7), scale = Random(std::max(count, how.channels), 8),
                   bias = Random(std::max(count, how.channels), 9);
        if (has_scale) how.scale = scale.data();
        how.bias = bias.data();
        std::vector<float> mean(how.rows), inverse(how.rows);
        how.mean = mean.data();
        how.inverse_deviation = inverse.data();
        std::vector<double> expected(how.rows * count), means, inverses;
        for (std::size_t row = 0; row < how.rows; ++row) {
          double sum = 0, squares = 0;
          for (std::size_t i = 0; i < count; ++i) sum += D(x[row * count + i]);
          const double middle = sum / static_cast<double>(count);
          for (std::size_t i = 0; i < count; ++i) squares += std::pow(D(x[row * count + i]) - middle, 2);
          means.push_back(middle);
          inverses.push_back(1 / std::sqrt(squares / static_cast<double>(count) + D(how.epsilon)));
          for (std::size_t i = 0; i < count; ++i) {
            const std::size_t k = by_row ? row % 2 : i;
            expected[row * count + i] =
                (D(x[row * count + i]) - middle) * inverses.back() * (has_scale ? D(scale[k]) : 1) + D(bias[k]);
          }
        }
        test::OnEveryTarget([&] {
          std::vector<float> y(expected.size() + kBeyond, kUntouched);
          NormalizeRows(how, x.data(), y.data());
          ExpectNumbers(expected, y, count == 1 ? 1e-4 : 3e-6);
          ExpectNumbers(means, mean, 1e-6);
          ExpectNumbers(inverses, inverse, 1e-6);
        });
      }
    }
  }
}

TEST(NormalizeTest, ChannelsAreScaled) {
  for (const std::size_t inner : {1, 2, 5, 16, 40}) {
    for (const std::size_t channels : {1, 3, 17}) {
      const auto x = Random(2 * channels * inner, 10), scale = Random(channels, 11), bias = Random(channels, 12);
      std::vector<double> expected;
      for (std::size_t i = 0; i < 2 * channels * inner; ++i)
        expected.push_back(D(x[i]) * D(scale[i / inner % channels]) + D(bias[i / inner % channels]));
      test::OnEveryTarget([&] {
        std::vector<float> y(expected.size() + kBeyond, kUntouched);
        ScaleChannels(x.data(), y.data(), 2, channels, inner, scale.data(), bias.data());
        ExpectNumbers(expected, y, 1e-6);
      });
    }
  }
}

TEST(ReduceTest, SumsAndExtremesAreThoseOfTheNumbers) {
  for (const std::size_t inner : {std::size_t{1}, std::size_t{3}, std::size_t{16}, std::size_t{37}}) {
    for (const std::size_t count : {1, 2, 5, 16, 31, 64, 100, 201}) {
      const auto x = Random(2 * count * inner, 13);
      std::vector<double> sums(2 * inner, 0), most(2 * inner, -9), least(2 * inner, 9);
      for (std::size_t i = 0; i < 2 * count * inner; ++i) {
        const std::size_t at = i / (count * inner) * inner + i % inner;
        sums[at] += D(x[i]);
        most[at] = std::max(most[at], D(x[i]));
        least[at] = std::min(least[at], D(x[i]));
      }
      test::OnEveryTarget([&] {
        std::vector<float> y(sums.size() + kBeyond, kUntouched);
        Reduce(Reduction::kSum, x.data(), y.data(), 2, count, inner);
        ExpectNumbers(sums, y, 2e-5);  // they nearly cancel
        Reduce(Reduction::kMax, x.data(), y.data(), 2, count, inner);
        ExpectNumbers(most, y, 0);
        Reduce(Reduction::kMin, x.data(), y.data(), 2, count, inner);
        ExpectNumbers(least, y, 0);
      });
    }
  }
}

TEST(ReduceTest, IntegersAreSummedExactly) {
  const std::vector<std::int64_t> x = {1, 2, 3, 4, (std::int64_t{1} << 60) + 1, 6};
  std::vector<std::int64_t> y(3);
  Reduce(Reduction::kSum, x.data(), y.data(), 1, 2, 3);
  EXPECT_EQ(y, (std::vector<std::int64_t>{5, (std::int64_t{1} << 60) + 3, 9}));
}

}  // namespace
}  // namespace punctual::native
