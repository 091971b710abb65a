#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/native/kernels/every_target.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/vector_math_test.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "backend/native/kernels/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace {

// y = f(x). REQUIRES: `count` is a multiple of 16.
template <class F>
void ForAll(const float* x, float* y, std::size_t count, const F& f) {
  const hn::ScalableTag<float> d;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) hn::StoreU(f(d, hn::LoadU(d, x + i)), d, y + i);
}

// Twin of Function in the test below.
void Compute(int function, const float* x, float* y, std::size_t count) {
  switch (function) {
    case 0: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return ExpOf(d, v); });
    case 1: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return SigmoidOf(d, v); });
    case 2: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return TanhOf(d, v); });
    case 3: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return ErfOf(d, v); });
    case 4: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return GeluOf(d, v); });
    case 5: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return GeluTanhOf(d, v); });
    case 6: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return EluOf(d, v, hn::Set(d, 1.0f)); });
    case 7: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return LogOf(d, v); });
    case 8: return ForAll(x, y, count, [](auto d, auto v) HWY_ATTR { return SoftplusOf(d, v); });
    default: break;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {
namespace {

HWY_EXPORT(Compute);

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double Gelu(double x) { return x * 0.5 * std::erfc(-x * std::sqrt(0.5)); }
double GeluTanh(double x) { return x * Sigmoid(2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)); }
double Softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

struct Function {
  const char* name;
  double (*reference)(double);
  double ulps, ulps_without_fma;
  // Results below may be zero: 0, or the least normal number.
  double least = 0;
};

const Function kFunctions[] = {
    {"exp", [](double x) { return std::exp(x); }, 1, 1.2},
    {"sigmoid", Sigmoid, 3, 4, 1.2e-38},
    {"tanh", [](double x) { return std::tanh(x); }, 5, 6},
    {"erf", [](double x) { return std::erf(x); }, 6, 7},
    {"gelu", Gelu, 8, 70, 1.2e-38},
    {"gelu by tanh", GeluTanh, 200, 400, 1.4e-37},
    {"elu", [](double x) { return x > 0 ? x : std::expm1(x); }, 3, 4},
    {"log", [](double x) { return std::log(x); }, 2, 2},
    {"softplus", Softplus, 4, 5},
};

// The distance of neighbouring floats at `x`.
double UlpAt(double x) {
  const double size = std::max(std::abs(x), 1.1754943508222875e-38);
  return std::ldexp(1.0, std::ilogb(size) - 23);
}

// Bit patterns in equal steps: every magnitude, both signs, denormals, infinities, NaN.
std::vector<float> Everywhere() {
  std::vector<float> x;
  for (std::uint64_t bits = 0; bits < (std::uint64_t{1} << 32); bits += 9973)
    x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  // Densely where the functions are curved.
  for (int i = -400000; i <= 400000; ++i) x.push_back(static_cast<float>(i) * 2.7e-4f);
  while (x.size() % 16 != 0) x.push_back(0);
  return x;
}

TEST(VectorMathTest, EveryFunctionIsAccurateOverAllFloats) {
  const std::vector<float> x = Everywhere();
  std::vector<double> expected(x.size());
  std::vector<float> y(x.size());
  int number = 0;
  for (const Function& function : kFunctions) {
    for (std::size_t i = 0; i < x.size(); ++i) expected[i] = function.reference(static_cast<double>(x[i]));
    test::OnEveryTarget([&] {
      SCOPED_TRACE(function.name);
      const bool has_fma = (hwy::SupportedTargets() & (HWY_SCALAR | HWY_EMU128 | HWY_SSSE3 | HWY_SSE4)) == 0;
      HWY_DYNAMIC_DISPATCH(Compute)(number, x.data(), y.data(), x.size());
      double worst = 0, at = 0;
      std::size_t lost = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::isinf(x[i])) continue;
        if (std::isnan(expected[i])) {
          lost += std::isnan(y[i]) ? 0 : 1;
          continue;
        }
        // Infinite in float: what would round to more than the largest.
        if (std::isinf(static_cast<float>(expected[i])) && std::isinf(y[i])) continue;
        const double error = std::abs(static_cast<double>(y[i]) - expected[i]);
        if (error <= function.least && std::abs(expected[i]) < function.least * 1.01) continue;
        const double ulps = error / UlpAt(expected[i]);
        if (!(ulps <= worst)) worst = ulps, at = static_cast<double>(x[i]);
      }
      EXPECT_EQ(lost, 0u) << "not a number, but one was computed";
      EXPECT_LE(worst, (has_fma ? function.ulps : function.ulps_without_fma)) << "at " << at;
    });
    ++number;
  }
}

TEST(VectorMathTest, InfinitiesGiveTheLimits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> limits = {{0, kInfinity},  {0, 1},           {-1, 1},
                                                       {-1, 1},         {0, kInfinity},   {0, kInfinity},
                                                       {-1, kInfinity}, {NAN, kInfinity}, {0, kInfinity}};
  test::OnEveryTarget([&] {
    for (std::size_t i = 0; i < limits.size(); ++i) {
      SCOPED_TRACE(kFunctions[i].name);
      std::vector<float> x(16, kInfinity), y(16);
      x[1] = -kInfinity;
      x[2] = NAN;
      HWY_DYNAMIC_DISPATCH(Compute)(static_cast<int>(i), x.data(), y.data(), x.size());
      EXPECT_EQ(y[0], limits[i].second);
      if (std::isnan(limits[i].first))
        EXPECT_TRUE(std::isnan(y[1]));
      else
        EXPECT_EQ(y[1], limits[i].first);
      EXPECT_TRUE(std::isnan(y[2]));
    }
  });
}

}  // namespace
}  // namespace punctual::native
#endif
