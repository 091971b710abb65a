#include "backend/native/kernels/dense.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backend/native/kernels/every_target.h"

namespace punctual::native {
namespace {

constexpr std::size_t kSlack = 16;  // floats beyond the end of each buffer
constexpr float kGarbage = std::numeric_limits<float>::quiet_NaN();

// Aligned, with garbage beyond the end.
class Buffer {
 public:
  explicit Buffer(std::size_t count) : count_(count), floats_(count + 2 * kSlack, kGarbage) {}
  float* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(floats_.data());
    return floats_.data() + (64 - address % 64) % 64 / sizeof(float);
  }
  std::size_t size() const { return count_; }
  float& operator[](std::size_t i) { return data()[i]; }
  void Fill(std::mt19937& random) {
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < count_; ++i) data()[i] = normal(random);
  }

 private:
  std::size_t count_;
  std::vector<float> floats_;
};

double Reference(ActivationWith activation, double x) {
  switch (activation.kind) {
    case Activation::kNone: return x;
    case Activation::kRelu: return std::max(x, 0.0);
    case Activation::kLeakyRelu: return x < 0 ? static_cast<double>(activation.alpha) * x : x;
    case Activation::kElu: return x < 0 ? static_cast<double>(activation.alpha) * std::expm1(x) : x;
    case Activation::kSigmoid: return 1 / (1 + std::exp(-x));
    case Activation::kTanh: return std::tanh(x);
    case Activation::kGelu: return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case Activation::kGeluTanh: return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  return 0;
}

struct Case {
  DenseShape shape;
  std::size_t rows = 1;
  std::size_t padding = 0;  // of the stride of outputs
  ActivationWith first, second;
  bool has_bias = true, has_residual = false, has_offsets = false;
};

class DenseTest : public ::testing::Test {
 protected:
  // A layer with random numbers, computed by RunDense for the target and here in double precision.
  void Check(const Case& given) {
    SCOPED_TRACE(std::to_string(given.rows) + " rows, " + std::to_string(given.shape.taps) + " taps of " +
                 std::to_string(given.shape.channels) + " channels, " + std::to_string(given.shape.outputs) +
                 " outputs");
    const std::size_t taps = given.shape.taps, channels = given.shape.channels, outputs = given.shape.outputs;
    const std::size_t rows = given.rows;
    Buffer weights(taps * channels * outputs), bias(outputs), zeros(channels);
    weights.Fill(random_);
    bias.Fill(random_);
    std::fill_n(zeros.data(), channels, 0.0f);
    const std::size_t places = rows + 3;
    Buffer in(std::max(places, rows * taps) * channels);
    in.Fill(random_);
    std::vector<std::int32_t> offsets;
    for (std::size_t i = 0; i < taps * rows; ++i) {
      const auto place = static_cast<std::int32_t>(random_() % (places + 2));
      offsets.push_back(place >= static_cast<std::int32_t>(places) ? -1 : place * static_cast<std::int32_t>(channels));
    }
    const std::size_t stride = outputs + given.padding;
    Buffer residual(rows * outputs), out(rows * stride);
    residual.Fill(random_);

    Buffer packed(PackedDenseCount(given.shape));
    PackDense(given.shape, weights.data(), given.has_bias ? bias.data() : nullptr, packed.data());
    const DenseInput input{in.data(), given.has_offsets ? offsets.data() : nullptr, zeros.data(), taps * channels};
    const DenseOutput output{out.data(), stride,      given.first, given.has_residual ? residual.data() : nullptr,
                             outputs,    given.second};
    RunDense(given.shape, rows, packed.data(), input, output);

    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t n = 0; n < outputs; ++n) {
        double sum = given.has_bias ? static_cast<double>(bias[n]) : 0;
        double size = std::abs(sum) + 1;
        for (std::size_t t = 0; t < taps; ++t) {
          const std::int32_t offset =
              given.has_offsets ? offsets[t * rows + r] : static_cast<std::int32_t>((r * taps + t) * channels);
          for (std::size_t k = 0; k < channels && offset >= 0; ++k) {
            const double product = static_cast<double>(in[static_cast<std::size_t>(offset) + k]) *
                                   static_cast<double>(weights[(t * channels + k) * outputs + n]);
            sum += product;
            size += std::abs(product);
          }
        }
        double expected = Reference(given.first, sum);
        if (given.has_residual) expected += static_cast<double>(residual[r * outputs + n]);
        expected = Reference(given.second, expected);
        ASSERT_NEAR(static_cast<double>(out[r * stride + n]), expected, 1e-6 * size) << "row " << r << ", output " << n;
      }
      for (std::size_t n = outputs; n < stride; ++n) ASSERT_TRUE(std::isnan(out[r * stride + n]));
    }
    ASSERT_TRUE(std::isnan(out[rows * stride]));
  }

  std::mt19937 random_{7};
};

TEST_F(DenseTest, EveryNumberOfRowsAndOutputsIsRight) {
  test::OnEveryTarget([&] {
    for (const std::size_t outputs :
         {1, 3, 4, 7, 8, 16, 17, 32, 33, 48, 64, 65, 80, 100, 128, 130, 144, 200, 216, 240, 256, 300})
      for (const std::size_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 100})
        for (const bool has_many_rows : {false, true}) Check({.shape = {1, 13, outputs, has_many_rows}, .rows = rows});
  });
}

TEST_F(DenseTest, EveryDepthIsRight) {
  test::OnEveryTarget([&] {
    for (const std::size_t channels : {1, 2, 3, 4, 5, 31, 400})
      for (const std::size_t taps : {1, 2, 8})
        for (const std::size_t outputs : {16, 40, 128})
          for (const std::size_t rows : {1, 9}) Check({.shape = {taps, channels, outputs}, .rows = rows});
  });
}

TEST_F(DenseTest, RowsAreFoundThroughTheTableAndPaddingIsZero) {
  test::OnEveryTarget([&] {
    for (const std::size_t outputs : {16, 32, 64, 128})
      for (const std::size_t rows : {1, 5, 22})
        for (const std::size_t channels : {1, 2, 16, 33})
          Check({.shape = {5, channels, outputs, rows == 22}, .rows = rows, .has_offsets = true});
  });
}

TEST_F(DenseTest, ActivationsAndResidualsFollowInOrder) {
  test::OnEveryTarget([&] {
    for (const auto kind : {Activation::kNone, Activation::kRelu, Activation::kLeakyRelu, Activation::kElu,
                            Activation::kSigmoid, Activation::kTanh, Activation::kGelu, Activation::kGeluTanh})
      for (const auto second : {Activation::kNone, Activation::kRelu, Activation::kTanh})
        for (const std::size_t outputs : {3, 37})
          Check({.shape = {1, 9, outputs},
                 .rows = 5,
                 .padding = 6,
                 .first = {kind, 0.25f},
                 .second = {second},
                 .has_bias = false,
                 .has_residual = true});
  });
}

// A row's outputs are the same numbers, to the bit, whoever is computed beside it.
TEST_F(DenseTest, NoBitDependsOnTheOtherRows) {
  test::OnEveryTarget([&] {
    for (const std::size_t outputs : {3, 16, 32, 48, 64, 96, 128, 256, 320}) {
      const DenseShape shape{3, 37, outputs, outputs % 3 == 0};
      constexpr std::size_t kRows = 40;
      const std::size_t depth = shape.taps * shape.channels;
      Buffer weights(depth * outputs), bias(outputs), in(kRows * depth), packed(PackedDenseCount(shape));
      weights.Fill(random_);
      bias.Fill(random_);
      in.Fill(random_);
      PackDense(shape, weights.data(), bias.data(), packed.data());
      Buffer all(kRows * outputs);
      RunDense(shape, kRows, packed.data(), {in.data(), nullptr, nullptr, depth}, {all.data(), outputs});
      for (const std::size_t rows : {1, 2, 3, 5, 7, 22}) {
        Buffer some(rows * outputs);
        RunDense(shape, rows, packed.data(), {in.data() + 3 * depth, nullptr, nullptr, depth}, {some.data(), outputs});
        ASSERT_EQ(std::memcmp(some.data(), all.data() + 3 * outputs, rows * outputs * sizeof(float)), 0)
            << rows << " rows of " << outputs;
      }
    }
  });
}

TEST_F(DenseTest, AStepBetweenRowsChangesNothing) {
  // A convolution of three taps over rows that stand side by side, with padding at both ends of two lines and a gap
  // between them.
  constexpr std::size_t kLine = 40, kGap = 5, kTaps = 3, kChannels = 5;
  std::vector<std::int32_t> offsets;
  for (std::int32_t t = 0; t < 3; ++t)
    for (std::int32_t line = 0; line < 2; ++line)
      for (std::int32_t i = t - 1; i < 39 + t; ++i) offsets.push_back(i < 0 || i >= 40 ? -1 : (line * 45 + i) * 5);
  test::OnEveryTarget([&] {
    for (const std::size_t outputs : {7, 16, 32, 64, 128}) {
      const DenseShape shape{kTaps, kChannels, outputs, true};
      Buffer weights(kTaps * kChannels * outputs), in(2 * (kLine + kGap) * kChannels), zeros(kChannels),
          packed(PackedDenseCount(shape));
      weights.Fill(random_);
      in.Fill(random_);
      std::fill_n(zeros.data(), kChannels, 0.0f);
      PackDense(shape, weights.data(), nullptr, packed.data());
      Buffer one(2 * kLine * outputs), two(2 * kLine * outputs);
      DenseInput input{in.data(), offsets.data(), zeros.data()};
      RunDense(shape, 2 * kLine, packed.data(), input, {one.data(), outputs});
      input.row_step = kChannels;
      RunDense(shape, 2 * kLine, packed.data(), input, {two.data(), outputs});
      ASSERT_EQ(std::memcmp(one.data(), two.data(), 2 * kLine * outputs * sizeof(float)), 0) << outputs;
    }
  });
}

TEST_F(DenseTest, NoBitChangesWhereZerosAreLeftOut) {
  test::OnEveryTarget([&] {
    for (const std::size_t outputs : {64, 130, 200, 256, 300}) {
      for (const std::size_t channels : {100, 256, 515}) {
        const DenseShape shape{1, channels, outputs};
        Buffer weights(channels * outputs), bias(outputs), in(channels), packed(PackedDenseCount(shape));
        weights.Fill(random_);
        bias.Fill(random_);
        in.Fill(random_);
        for (std::size_t k = 0; k < channels; ++k)
          in[k] = random_() % 3 == 0 ? in[k] : random_() % 2 == 0 ? 0.0f : -0.0f;
        PackDense(shape, weights.data(), bias.data(), packed.data());
        Buffer one(outputs), two(outputs);
        DenseInput input{in.data(), nullptr, nullptr, channels};
        const auto run = [&](Buffer& out) {
          RunDense(shape, 1, packed.data(), input, {out.data(), outputs, {Activation::kTanh}});
        };
        run(one);
        input.has_many_zeros = true;
        run(two);
        ASSERT_EQ(std::memcmp(one.data(), two.data(), outputs * sizeof(float)), 0) << outputs << " " << channels;
        ASSERT_TRUE(std::isnan(two[outputs]));
      }
    }
  });
}

TEST_F(DenseTest, UnpackedWeightsGiveTheSameAsPackedOnes) {
  test::OnEveryTarget([&] {
    for (const std::size_t outputs : {1, 5, 16, 33, 64, 100, 200}) {
      for (const std::size_t rows : {1, 4, 50}) {
        const DenseShape shape{1, 21, outputs};
        Buffer weights(21 * outputs), in(rows * 21), packed(PackedDenseCount(shape));
        weights.Fill(random_);
        in.Fill(random_);
        PackDense(shape, weights.data(), nullptr, packed.data());
        Buffer one(rows * outputs), two(rows * outputs);
        const DenseInput input{in.data(), nullptr, nullptr, 21};
        RunDense(shape, rows, packed.data(), input, {one.data(), outputs});
        RunDenseUnpacked(shape, rows, weights.data(), outputs, input, {two.data(), outputs});
        ASSERT_EQ(std::memcmp(one.data(), two.data(), rows * outputs * sizeof(float)), 0);
      }
    }
  });
}

TEST_F(DenseTest, NoRowsAreNoWork) {
  test::OnEveryTarget([&] {
    for (const std::size_t outputs : {0, 5, 100, 300}) {
      const DenseShape shape{1, 21, outputs};
      Buffer weights(21 * outputs), in(21), packed(PackedDenseCount(shape)), out(outputs);
      PackDense(shape, weights.data(), nullptr, packed.data());
      const DenseInput input{in.data(), nullptr, nullptr, 21};
      RunDense(shape, 0, packed.data(), input, {out.data(), outputs});
      RunDenseUnpacked(shape, 0, weights.data(), outputs, input, {out.data(), outputs});
      ASSERT_TRUE(std::isnan(out[outputs])) << outputs;
    }
  });
}

}  // namespace
}  // namespace punctual::native
