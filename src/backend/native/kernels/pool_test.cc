#include "backend/native/kernels/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/native/kernels/every_target.h"

namespace punctual::native {
namespace {

constexpr std::size_t kSlack = 16;
constexpr float kGarbage = std::numeric_limits<float>::quiet_NaN();

class PoolTest : public ::testing::TestWithParam<std::size_t> {
 protected:
  // With garbage beyond the end.
  std::vector<float> Random(std::size_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count + kSlack, kGarbage);
    std::generate_n(values.begin(), count, [&] { return normal(random_); });
    return values;
  }
  void SetUp() override {
    in_ = Random(kPlaces * channels_);
    for (std::size_t i = 0; i < kTaps * kRows; ++i) {
      const auto place = static_cast<std::int32_t>(random_() % (kPlaces + 3));
      offsets_.push_back(place >= static_cast<std::int32_t>(kPlaces) ? -1
                                                                     : place * static_cast<std::int32_t>(channels_));
    }
    for (std::size_t r = 0; r < kRows; ++r) offsets_[kRows + r] = static_cast<std::int32_t>(r * channels_);
  }
  // f(tap, number) for each tap of an output that is not left out.
  template <class F>
  void ForTaps(std::size_t row, std::size_t channel, const F& f) const {
    for (std::size_t t = 0; t < kTaps; ++t)
      if (const std::int32_t offset = offsets_[t * kRows + row]; offset >= 0)
        f(t, static_cast<double>(in_[static_cast<std::size_t>(offset) + channel]));
  }
  void ExpectOutput(const auto& expected) const {
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t c = 0; c < channels_; ++c)
        ASSERT_NEAR(static_cast<double>(out_[r * Stride() + c]), expected(r, c), 3e-6) << r << " " << c;
      for (std::size_t c = channels_; c < Stride(); ++c) ASSERT_TRUE(std::isnan(out_[r * Stride() + c]));
    }
  }
  std::size_t Stride() const { return channels_ + 2; }
  std::vector<float> Unwritten() const { return std::vector<float>(kRows * Stride() + kSlack, kGarbage); }

  static constexpr std::size_t kPlaces = 9, kRows = 7, kTaps = 3;
  const std::size_t channels_ = GetParam();
  const PoolShape shape_{kTaps, channels_};
  std::mt19937 random_{3};
  std::vector<float> in_, out_;
  std::vector<std::int32_t> offsets_;
};

TEST_P(PoolTest, TheLargestOfEachChannel) {
  test::OnEveryTarget([&] {
    out_ = Unwritten();
    RunMaxPool(shape_, kRows, in_.data(), offsets_.data(), out_.data(), Stride());
    ExpectOutput([&](std::size_t r, std::size_t c) {
      double most = -std::numeric_limits<double>::infinity();
      ForTaps(r, c, [&](std::size_t, double x) { most = std::max(most, x); });
      return most;
    });
  });
}

TEST_P(PoolTest, TheMeanOfEachChannelByTheCountsGiven) {
  const std::vector<float> counts{1, 2, 3, 4, 5, 6, 7};
  test::OnEveryTarget([&] {
    out_ = Unwritten();
    RunAveragePool(shape_, kRows, in_.data(), offsets_.data(), counts.data(), out_.data(), Stride());
    ExpectOutput([&](std::size_t r, std::size_t c) {
      double sum = 0;
      ForTaps(r, c, [&](std::size_t, double x) { sum += x; });
      return sum / static_cast<double>(counts[r]);
    });
  });
}

TEST_P(PoolTest, EachChannelHasWeightsOfItsOwn) {
  const std::vector<float> weights = Random(kTaps * channels_), bias = Random(channels_),
                           residual = Random(kRows * channels_);
  test::OnEveryTarget([&] {
    out_ = Unwritten();
    RunDepthwise(shape_, kRows, weights.data(), bias.data(), {in_.data(), offsets_.data(), nullptr, 0},
                 {out_.data(), Stride(), {Activation::kRelu}, residual.data(), channels_, {Activation::kTanh}});
    ExpectOutput([&](std::size_t r, std::size_t c) {
      auto sum = static_cast<double>(bias[c]);
      ForTaps(r, c, [&](std::size_t t, double x) { sum += x * static_cast<double>(weights[t * channels_ + c]); });
      return std::tanh(std::max(sum, 0.0) + static_cast<double>(residual[r * channels_ + c]));
    });
  });
}

INSTANTIATE_TEST_SUITE_P(Channels, PoolTest, ::testing::Values(1, 2, 4, 7, 16, 33));

TEST(TransposeTest, RowsBecomeColumns) {
  test::OnEveryTarget([&] {
    for (const std::size_t rows : {1, 3, 4, 9, 16}) {
      for (const std::size_t columns : {1, 2, 4, 5, 17}) {
        constexpr std::size_t kBatch = 2;
        std::vector<float> from(kBatch * rows * columns), to(from.size());
        for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<float>(i);
        TransposeEach(from.data(), kBatch, rows, columns, to.data());
        for (std::size_t b = 0; b < kBatch; ++b)
          for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t c = 0; c < columns; ++c)
              ASSERT_EQ(to[(b * columns + c) * rows + r], from[(b * rows + r) * columns + c]);
      }
    }
  });
}

}  // namespace
}  // namespace punctual::native
