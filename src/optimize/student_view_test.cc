#include "optimize/student_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "features/features.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Samples of `shape`, numbered through: sample i has i * 100, i * 100 + 1, ...
Samples Numbered(std::size_t count, const Shape& shape) {
  Samples samples;
  samples.inputs = {{"book", DType::kFloat32, shape}};
  samples.symbols = {"A", "B"};
  samples.values.resize(1);
  const std::size_t width = ElementCount(shape).value();
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t at = 0; at < width; ++at) {
      const float value = static_cast<float>(i * 100 + at);
      const auto bytes = std::as_bytes(std::span(&value, 1));
      samples.values[0].insert(samples.values[0].end(), bytes.begin(), bytes.end());
    }
    samples.time_ns.push_back(static_cast<std::int64_t>(i));
    samples.symbol.push_back(static_cast<std::uint32_t>(i % 2));
    samples.snapshot.push_back(i);
  }
  return samples;
}

const FeatureSpec kModel = {
    .window = 3, .levels = 5, .columns = {"mid_bp", "imbalance_1"}, .mean = {1, 2}, .std = {3, 4}};

std::vector<float> RowOf(const StudentView& view, std::size_t i) { return {view.rows[i].begin(), view.rows[i].end()}; }

TEST(StudentViewTest, NewestRowsAreTheLastOnesOfTheWindow) {
  const Samples samples = Numbered(4, {1, 3, 2});
  const StudentView two = ViewNewestRows(samples, kModel, 2).value();
  EXPECT_THAT(RowOf(two, 1), ElementsAre(102, 103, 104, 105));
  EXPECT_EQ(two.input.shape, (Shape{1, 2, 2}));
  EXPECT_EQ(two.input.name, "book");
  EXPECT_EQ(two.features->window, 2);
  EXPECT_EQ(two.features->mean, kModel.mean);
  EXPECT_TRUE(two.seen.empty());
  const StudentView one = ViewNewestRows(samples, kModel, 1).value();
  EXPECT_THAT(RowOf(one, 1), ElementsAre(104, 105));
  EXPECT_EQ(one.input.shape, (Shape{1, 2}));
  EXPECT_THAT(one.of_model, ElementsAre(4, 5));
}

TEST(StudentViewTest, SpacedRowsAreFurtherApartTheOlderTheyAre) {
  FeatureSpec model = kModel;
  model.window = 12;
  const StudentView view = ViewSpacedRows(Numbered(2, {1, 12, 2}), model).value();
  EXPECT_EQ(view.features->window, 12);
  EXPECT_EQ(view.input.shape, (Shape{1, 12, 2}));
  // 11, 8, 4, 2, 1 and 0 rows before the newest.
  EXPECT_THAT(view.seen, ElementsAre(0, 1, 6, 7, 14, 15, 18, 19, 20, 21, 22, 23));
  EXPECT_EQ(view.of_model, view.seen);
  EXPECT_THAT(RowOf(view, 1), ElementsAre(100, 101, 106, 107, 114, 115, 118, 119, 120, 121, 122, 123));
  for (const int window : {1, 2, 3}) {
    model.window = window;
    const StudentView all = ViewSpacedRows(Numbered(2, {1, window, 2}), model).value();
    EXPECT_EQ(all.width(), static_cast<std::size_t>(window) * 2);
    EXPECT_TRUE(all.seen.empty());
  }
  EXPECT_THAT(ViewSpacedRows(Numbered(2, {1, 5, 2}), model).error().message, HasSubstr("10 numbers each"));
}

TEST(StudentViewTest, RowsThatAreNotThereAreRefused) {
  const Samples samples = Numbered(4, {1, 3, 2});
  EXPECT_THAT(ViewNewestRows(samples, kModel, 0).error().message, HasSubstr("0 rows of 3"));
  EXPECT_THAT(ViewNewestRows(samples, kModel, 4).error().message, HasSubstr("4 rows of 3"));
  EXPECT_THAT(ViewNewestRows(Numbered(4, {1, 3, 3}), kModel, 1).error().message, HasSubstr("9 numbers each"));
}

TEST(StudentViewTest, ATensorIsSeenWhole) {
  const StudentView view = ViewTensor(Numbered(4, {1, 3, 2})).value();
  EXPECT_THAT(RowOf(view, 2), ElementsAre(200, 201, 202, 203, 204, 205));
  EXPECT_EQ(view.input.shape, (Shape{1, 3, 2}));
  EXPECT_FALSE(view.features.has_value());
  EXPECT_TRUE(view.seen.empty());
}

TEST(StudentViewTest, OtherInputsThanOneOfFloatsAreRefused) {
  Samples samples = Numbered(4, {1, 3});
  samples.inputs[0].dtype = DType::kInt32;
  EXPECT_THAT(ViewTensor(samples).error().message, HasSubstr("INT32 [1,3]; it must be FP32"));
  samples = Numbered(4, {1, 3});
  samples.inputs[0].shape = {3};
  EXPECT_THAT(ViewTensor(samples).error().message, HasSubstr("batch of 1"));
  samples.inputs.push_back(samples.inputs[0]);
  samples.values.push_back(samples.values[0]);
  EXPECT_THAT(ViewTensor(samples).error().message, HasSubstr("2 inputs"));
  EXPECT_THAT(ViewTensor(Numbered(0, {1, 3})).error().message, HasSubstr("no samples"));
}

TEST(StudentViewTest, BooksAreMatchedBySymbolAndSnapshot) {
  const Samples samples = Numbered(3, {1, 3, 2});
  Samples books = Numbered(6, {1, 2});
  books.symbols = {"B", "A"};  // in another order
  books.symbol = {1, 0, 1, 1, 0, 0};
  books.snapshot = {2, 1, 0, 7, 5, 2};  // A2 B1 A0 A7 B5 B2
  const FeatureSpec features = {.columns = {"mid_bp", "spread_bp"}};
  const StudentView view = ViewBooks(samples, books, features).value();
  EXPECT_THAT(RowOf(view, 0), ElementsAre(200, 201));
  EXPECT_THAT(RowOf(view, 1), ElementsAre(100, 101));
  EXPECT_THAT(RowOf(view, 2), ElementsAre(0, 1));
  EXPECT_TRUE(view.of_model.empty());
  books.snapshot[0] = 3;
  const auto refused = ViewBooks(samples, books, features);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("snapshot 2 of A has no features"));
}

TEST(StudentViewTest, ProposedFeaturesNeedNoMoreThanTheModelDoes) {
  for (const std::size_t history : {1u, 2u, 51u, 100u, 300u})
    for (const int levels : {1, 3, 10, 20})
      for (const int window : {1, 5, 400}) {
        const FeatureSpec spec = ProposeFeatures({.levels = levels, .columns = {"mid"}}, history, window);
        const auto plan = FeaturePlan::Make(spec);
        ASSERT_FALSE(plan.has_error()) << plan.error().message;
        EXPECT_LE(plan->history(), history);
        EXPECT_EQ(plan->levels(), levels);
      }
  EXPECT_THAT(ProposeFeatures(kModel, 100, 1).columns, ::testing::Contains("return_99_bp"));
}

TEST(StudentViewTest, StandardisedColumnsHaveTheMomentsOfTheRowsToFit) {
  StudentView view = ViewBooks(Numbered(3, {1, 1}), Numbered(3, {1, 2, 3}),
                               {.window = 2, .columns = {"mid_bp", "spread_bp", "imbalance_1"}})
                         .value();
  for (std::size_t i = 0; i < view.rows.values.size(); ++i)
    if (i % 3 == 1) view.rows.values[i] = 42;  // a constant column
  const std::vector<std::size_t> fit = {0, 2};
  const FeatureSpec spec = Standardised(view, fit).value();
  EXPECT_THAT(spec.columns, ElementsAre("mid_bp", "imbalance_1"));
  // 0, 3 and 200, 203.
  EXPECT_THAT(spec.mean, ElementsAre(101.5, 103.5));
  EXPECT_NEAR(spec.std[0], std::sqrt(100.0 * 100.0 + 1.5 * 1.5), 1e-9);
  EXPECT_EQ(spec.window, 2);
  EXPECT_GT(spec.clip, 0);
}

TEST(StudentViewTest, FeaturesThatAreAllConstantAreRefused) {
  StudentView view = ViewBooks(Numbered(3, {1, 1}), Numbered(3, {1, 1}), {.columns = {"mid_bp"}}).value();
  std::fill(view.rows.values.begin(), view.rows.values.end(), 0.1f);
  const std::vector<std::size_t> fit = {0, 1, 2};
  const auto refused = Standardised(view, fit);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("columns are constant in 3 samples"));
}

}  // namespace
}  // namespace punctual::optimize
