#include "optimize/augment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

// Two symbols in turns; of A the two numbers are (i, 10), of B (1000 + i, 10), for i = 0, 1, ...
Samples TwoSymbols(std::size_t count) {
  Samples samples;
  samples.inputs = {{"book", DType::kFloat32, {1, 2}}};
  samples.symbols = {"A", "B"};
  samples.values.resize(1);
  for (std::size_t i = 0; i < count; ++i) {
    const float numbers[] = {static_cast<float>(i % 2 * 1000 + i / 2), 10};
    const auto bytes = std::as_bytes(std::span(numbers));
    samples.values[0].insert(samples.values[0].end(), bytes.begin(), bytes.end());
    samples.time_ns.push_back(static_cast<std::int64_t>(i));
    samples.symbol.push_back(static_cast<std::uint32_t>(i % 2));
    samples.snapshot.push_back(i / 2);
  }
  return samples;
}

// Twice the first number.
Result<Answers> Twice(const Samples& samples) {
  Answers answers{1, {}};
  for (std::size_t i = 0; i < samples.count(); ++i) {
    float value;
    std::memcpy(&value, samples.Of(0, i).data(), sizeof value);
    answers.values.push_back(2 * value);
  }
  return answers;
}

std::vector<std::size_t> All(std::size_t count) {
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

// A view of the first number, and one of other columns of the same books, which are ten times that number.
std::vector<StudentView> Views(const Samples& samples) {
  StudentView of_input = ViewTensor(samples).value(), of_books;
  of_input.of_model = {0};
  of_input.rows = {1, {}};
  of_books.rows = {1, {}};
  for (std::size_t i = 0; i < samples.count(); ++i) {
    float value;
    std::memcpy(&value, samples.Of(0, i).data(), sizeof value);
    of_input.rows.values.push_back(value);
    of_books.rows.values.push_back(10 * value);
  }
  return {of_input, of_books};
}

TEST(AugmentTest, InterpolatedQuestionsLieBetweenNeighboursOfOneSymbol) {
  const Samples samples = TwoSymbols(2000);
  const auto views = Views(samples);
  const auto added = Augment(samples, All(2000), views, Twice, {.interpolated = 1, .noised = 0});
  ASSERT_FALSE(added.has_error()) << added.error().message;
  const TrainingSet& of_input = added->at(0);
  const TrainingSet& of_books = added->at(1);
  ASSERT_EQ(of_input.x.count(), 1998u);  // the last ones have no neighbour
  ASSERT_EQ(of_books.x.count(), 1998u);
  std::size_t between = 0;
  for (std::size_t i = 0; i < of_input.x.count(); ++i) {
    const float x = of_input.x.values[i], first = static_cast<float>(i % 2 * 1000 + i / 2);
    ASSERT_GE(x, first);
    ASSERT_LE(x, first + 1);
    if (x > first + 0.25f && x < first + 0.75f) ++between;
    ASSERT_FLOAT_EQ(of_input.y.values[i], 2 * x);  // the model's own answer
    ASSERT_NEAR(of_books.x.values[i], 10 * x, 0.01f);
    ASSERT_EQ(of_books.y.values[i], of_input.y.values[i]);
  }
  EXPECT_NEAR(static_cast<double>(between), 999, 100);
}

TEST(AugmentTest, NoiseIsInDeviationsAndOnlySeenThroughTheModelsInput) {
  const Samples samples = TwoSymbols(2000);
  const auto added = Augment(samples, All(2000), Views(samples), Twice, {.interpolated = 0, .noised = 2, .noise = 0.1});
  ASSERT_FALSE(added.has_error()) << added.error().message;
  const TrainingSet& noised = added->at(0);
  ASSERT_EQ(noised.x.count(), 4000u);
  EXPECT_EQ(added->at(1).x.count(), 0u);
  const double deviation = std::sqrt(500.0 * 500.0 + 1000.0 * 1000.0 / 12);
  double squares = 0;
  for (std::size_t i = 0; i < 4000; ++i) {
    const double apart = static_cast<double>(noised.x.values[i]) - static_cast<double>(i / 2 % 2 * 1000 + i / 4);
    squares += apart * apart;
    ASSERT_FLOAT_EQ(noised.y.values[i], 2 * noised.x.values[i]);
  }
  EXPECT_NEAR(std::sqrt(squares / 4000), 0.1 * deviation, 0.005 * deviation);
}

TEST(AugmentTest, NoMoreAreAddedThanAllowed) {
  const Samples samples = TwoSymbols(2000);
  std::size_t asked = 0, most_at_once = 0;
  const auto count = [&](const Samples& questions) {
    asked += questions.count();
    most_at_once = std::max(most_at_once, questions.count());
    return Twice(questions);
  };
  const auto added = Augment(samples, All(2000), Views(samples), count, {.interpolated = 3, .noised = 3, .most = 1500});
  ASSERT_FALSE(added.has_error()) << added.error().message;
  EXPECT_LE(asked, 1500u);
  EXPECT_GT(asked, 1300u);
  EXPECT_LT(most_at_once, 1000u);  // the model's inputs may be large
}

TEST(AugmentTest, ASeedGivesTheSameQuestions) {
  const Samples samples = TwoSymbols(300);
  const auto questions = [&](std::uint64_t seed) {
    return Augment(samples, All(300), Views(samples), Twice, {.seed = seed}).value()[0].x.values;
  };
  EXPECT_EQ(questions(3), questions(3));
  EXPECT_NE(questions(3), questions(4));
}

TEST(AugmentTest, ErrorsOfTheModelAndOfOptionsAreTold) {
  const Samples samples = TwoSymbols(300);
  const auto views = Views(samples);
  const auto ill = [](const Samples&) -> Result<Answers> { return Fail(Code::kInternal, "the model is ill"); };
  EXPECT_EQ(Augment(samples, All(300), views, ill, {}).error().message, "the model is ill");
  const auto none = [](const Samples&) -> Result<Answers> { return Answers{1, {}}; };
  EXPECT_THAT(Augment(samples, All(300), views, none, {}).error().message, HasSubstr("0 answers to"));
  EXPECT_THAT(Augment(samples, All(300), views, Twice, {.noise = -1}).error().message, HasSubstr("noise"));
  EXPECT_THAT(Augment(samples, {}, views, Twice, {}).error().message, HasSubstr("no samples"));
}

}  // namespace
}  // namespace punctual::optimize
