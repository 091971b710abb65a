#include "features/features.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <new>

// Allocations are counted, except by the thread sanitizer's build: its runtime has these functions itself.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PUNCTUAL_ALLOCATIONS_NOT_COUNTED
#endif
#endif
namespace {
std::atomic<std::size_t> g_allocations = 0;
}  // namespace

#ifndef PUNCTUAL_ALLOCATIONS_NOT_COUNTED
// Not inlined, or g++ takes what they call for a mismatch with operator new.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++g_allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace punctual {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;

BookSnapshot Book(std::uint64_t sequence, std::vector<BookLevel> levels) {
  BookSnapshot book;
  book.sequence = sequence;
  book.level_count = static_cast<int>(levels.size());
  std::copy(levels.begin(), levels.end(), book.levels.begin());
  return book;
}

// Improvements, retreats and unchanged prices on both sides; the newest best prices are between two ticks of the
// others.
std::vector<BookSnapshot> FiveBooks() {
  return {Book(1, {{100.5, 4, 100, 6}, {101, 2, 99.5, 1}, {101.5, 8, 99, 3}}),
          Book(2, {{100.5, 5, 100, 2}, {101, 2, 99.5, 1}, {102, 7, 99, 5}}),
          Book(3, {{101, 3, 100.5, 1.5}, {101.5, 7, 100, 2}, {102, 6, 99.5, 4}}),
          Book(4, {{101, 3, 100, 2.5}, {101.5, 9, 99.5, 4}, {103, 1, 98.5, 2}}),
          Book(5, {{100.75, 0.5, 100.25, 7}, {101, 3, 100, 2.5}, {101.5, 9, 99.5, 4}})};
}

FeatureSpec Spec(int window, int levels, std::vector<std::string> columns) {
  FeatureSpec spec;
  spec.window = window;
  spec.levels = levels;
  spec.columns = std::move(columns);
  return spec;
}

std::vector<float> ComputeAll(const FeatureSpec& spec, const std::vector<BookSnapshot>& books) {
  const FeaturePlan plan = FeaturePlan::Make(spec).value();
  std::vector<float> out(static_cast<std::size_t>(plan.window()) * plan.columns());
  plan.Compute(Window::Of(books, {}), out).value();
  return out;
}

float ComputeOne(const std::string& column, const std::vector<BookSnapshot>& books, int levels = 2) {
  return ComputeAll(Spec(1, levels, {column}), books)[0];
}

Error ComputeError(const FeatureSpec& spec, const std::vector<BookSnapshot>& books) {
  const FeaturePlan plan = FeaturePlan::Make(spec).value();
  std::vector<float> out(static_cast<std::size_t>(plan.window()) * plan.columns());
  return plan.Compute(Window::Of(books, {}), out).error();
}

TEST(FeaturesTest, ColumnsOfOneBookAreWhatTheirFormulasSay) {
  // Mid 100, spread 2, depth 4 + 1 and 12 + 3.
  const std::vector<BookSnapshot> books = {Book(1, {{101, 4, 99, 12}, {102, 1, 97, 3}})};
  EXPECT_FLOAT_EQ(ComputeOne("ask_price_2", books), 102);
  EXPECT_FLOAT_EQ(ComputeOne("ask_size_1", books), 4);
  EXPECT_FLOAT_EQ(ComputeOne("bid_price_2", books), 97);
  EXPECT_FLOAT_EQ(ComputeOne("bid_size_1", books), 12);
  EXPECT_FLOAT_EQ(ComputeOne("ask_bp_2", books), 200);
  EXPECT_FLOAT_EQ(ComputeOne("bid_bp_2", books), -300);
  EXPECT_FLOAT_EQ(ComputeOne("ask_share_1", books), 0.2f);
  EXPECT_FLOAT_EQ(ComputeOne("bid_share_2", books), 0.15f);
  EXPECT_FLOAT_EQ(ComputeOne("ask_share_1", books, 1), 0.25f) << "shares are of the plan's levels alone";
  EXPECT_FLOAT_EQ(ComputeOne("mid", books), 100);
  EXPECT_FLOAT_EQ(ComputeOne("spread", books), 2);
  EXPECT_FLOAT_EQ(ComputeOne("mid_bp", books), 0);
  EXPECT_FLOAT_EQ(ComputeOne("spread_bp", books), 200);
  EXPECT_FLOAT_EQ(ComputeOne("microprice_bp", books), 50);  // (101 * 12 + 99 * 4) / 16 = 100.5
  EXPECT_FLOAT_EQ(ComputeOne("imbalance_1", books), 0.5f);
  EXPECT_FLOAT_EQ(ComputeOne("imbalance_2", books), 0.5f);
}

TEST(FeaturesTest, PricesAreRelativeToTheNewestMidInEveryRow) {
  const std::vector<BookSnapshot> books = {Book(1, {{101, 1, 99, 1}}), Book(2, {{201, 1, 199, 1}})};
  EXPECT_THAT(ComputeAll(Spec(2, 1, {"ask_bp_1", "bid_bp_1", "mid_bp"}), books),
              Pointwise(FloatNear(1e-3f), {-4950.f, -5050.f, -5000.f, 50.f, -50.f, 0.f}));
}

TEST(FeaturesTest, OrderFlowImbalanceCountsWhatCameAndWentOnBothSides) {
  const auto ofi = [](BookLevel before, BookLevel now) {
    return ComputeOne("ofi_1", {Book(1, {before}), Book(2, {now})}, 1);
  };
  // Depth 10 before; each case's flow over the mean depth.
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {101, 4, 99, 6}), 0);
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {101, 4, 99, 8}), 2 / 11.f);
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {101, 3, 99, 6}), 1 / 9.5f);
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {101, 4, 100, 2}), 2 / 8.f) << "a better bid is all new";
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {101, 4, 98, 2}), -6 / 8.f) << "a worse bid: the old one is gone";
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {100, 3, 99, 6}), -3 / 9.5f) << "a better ask is all new";
  EXPECT_FLOAT_EQ(ofi({101, 4, 99, 6}, {102, 3, 99, 6}), 4 / 9.5f) << "a worse ask: the old one is gone";
}

TEST(FeaturesTest, ReturnsLookBackPastTheWindow) {
  const std::vector<BookSnapshot> books = {Book(1, {{101, 1, 99, 1}}), Book(2, {{111, 1, 109, 1}}),
                                           Book(3, {{122, 1, 120, 1}})};
  EXPECT_THAT(ComputeAll(Spec(1, 1, {"return_1_bp", "return_2_bp"}), books),
              Pointwise(FloatNear(1e-3f), {1000.f, 2100.f}));
  EXPECT_EQ(FeaturePlan::Make(Spec(5, 1, {"return_30_bp", "ofi_1", "mid"})).value().history(), 35u);
  EXPECT_EQ(FeaturePlan::Make(Spec(5, 1, {"ofi_1", "mid"})).value().history(), 6u);
  EXPECT_EQ(FeaturePlan::Make(Spec(5, 1, {"mid"})).value().history(), 5u);
}

// The numbers are from tests/reference/features_reference.py, for the same books.
TEST(FeaturesTest, EveryColumnAgreesWithTheNumpyReference) {
  const std::map<std::string, std::vector<float>> golden = {
      {"ask_price_2", {101.5f, 101.5f, 101.f}},
      {"ask_size_3", {6.f, 1.f, 9.f}},
      {"bid_price_1", {100.5f, 100.f, 100.25f}},
      {"bid_size_2", {2.f, 4.f, 2.5f}},
      {"ask_bp_1", {49.7512436f, 49.7512436f, 24.8756218f}},
      {"bid_bp_3", {-99.5024872f, -199.004974f, -99.5024872f}},
      {"ask_share_1", {0.127659574f, 0.139534891f, 0.0192307699f}},
      {"bid_share_2", {0.0851063803f, 0.186046511f, 0.0961538479f}},
      {"mid", {100.75f, 100.5f, 100.5f}},
      {"spread", {0.5f, 1.f, 0.5f}},
      {"mid_bp", {24.8756218f, 0.f, 0.f}},
      {"spread_bp", {49.6277924f, 99.5024872f, 49.7512436f}},
      {"microprice_bp", {-8.27129841f, -4.5228405f, 21.5588722f}},
      {"imbalance_1", {-0.333333343f, -0.0909090936f, 0.866666675f}},
      {"imbalance_3", {-0.361702114f, -0.209302321f, 0.0384615399f}},
      {"ofi_1", {1.13043475f, -0.300000012f, 1.f}},
      {"ofi_3", {0.6813187f, -0.155555561f, 0.042105265f}},
      {"return_1_bp", {49.8753128f, -24.8138962f, 0.f}},
      {"return_2_bp", {49.8753128f, 24.9376564f, -24.8138962f}},
  };
  FeatureSpec spec = Spec(3, 3, {});
  for (const auto& [name, values] : golden) spec.columns.push_back(name);
  const std::vector<float> out = ComputeAll(spec, FiveBooks());
  std::size_t column = 0;
  for (const auto& [name, values] : golden) {
    for (std::size_t row = 0; row < 3; ++row)
      EXPECT_NEAR(out[row * golden.size() + column], values[row], 1e-5) << name << " in row " << row;
    ++column;
  }
}

TEST(FeaturesTest, ValuesAreNormalisedThenCut) {
  FeatureSpec spec = Spec(1, 1, {"ask_price_1", "bid_price_1", "ask_size_1"});
  spec.mean = {100, 100, 0};
  spec.std = {0.5, 2, 4};
  const std::vector<BookSnapshot> books = {Book(1, {{101, 1, 90, 1}})};
  EXPECT_THAT(ComputeAll(spec, books), ElementsAreArray({2.f, -5.f, 0.25f}));
  spec.clip = 1.5;
  EXPECT_THAT(ComputeAll(spec, books), ElementsAreArray({1.5f, -1.5f, 0.25f}));
}

TEST(FeaturesTest, AWindowThatIsNotFullSaysHowManySnapshotsItTakes) {
  const Error error = ComputeError(Spec(5, 1, {"ofi_1"}), FiveBooks());
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_EQ(error.message, "market: the model needs 6 snapshots, there are 5 so far");
  EXPECT_EQ(ComputeError(Spec(1, 1, {"mid"}), {}).code, Code::kFailedPrecondition);
}

TEST(FeaturesTest, ABookOfTooFewLevelsIsRefused) {
  std::vector<BookSnapshot> books = FiveBooks();
  books[2].level_count = 2;
  const Error error = ComputeError(Spec(5, 3, {"mid"}), books);
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_EQ(error.message, "market: the model needs 3 levels, the book of sequence 3 has 2");
}

TEST(FeaturesTest, WhatIsNotFiniteIsRefusedWithTheColumnsName) {
  const double huge = std::numeric_limits<double>::max();
  const std::vector<BookSnapshot> sizes = {Book(6, {{101, huge, 99, huge}}), Book(7, {{101, 1, 99, 1}})};
  for (const char* column : {"ofi_1", "ask_share_1", "bid_share_1", "imbalance_1"}) {
    FeatureSpec spec = Spec(column == std::string("ofi_1") ? 1 : 2, 1, {"mid", column});
    spec.clip = 5;
    const Error error = ComputeError(spec, sizes);
    EXPECT_EQ(error.code, Code::kInvalidArgument);
    EXPECT_THAT(error.message, HasSubstr("column \"" + std::string(column) + "\" is not a finite number"));
  }
  // Finite as a double, not as a float: refused unless it is cut.
  FeatureSpec price = Spec(1, 1, {"ask_price_1"});
  const std::vector<BookSnapshot> prices = {Book(7, {{huge, 1, 99, 1}})};
  EXPECT_THAT(ComputeError(price, prices).message, AllOf(HasSubstr("\"ask_price_1\""), HasSubstr("sequence 7")));
  price.clip = 3;
  EXPECT_THAT(ComputeAll(price, prices), ElementsAreArray({3.f}));
}

TEST(FeaturesTest, ColumnsThatDoNotExistAreNamed) {
  for (const char* name :
       {"", "mids", "ask_price_", "ask_price_0", "ask_price_01", "ask_price_-1", "ask_price_1x", "ask_bp_ 1",
        "return_bp", "return_0_bp", "return__bp", "return_1", "ofi", "ofi_99999999999"}) {
    const auto plan = FeaturePlan::Make(Spec(1, 10, {"mid", name}));
    ASSERT_TRUE(plan.has_error()) << name;
    EXPECT_EQ(plan.error().code, Code::kInvalidArgument);
    EXPECT_THAT(plan.error().message, HasSubstr("features.columns[1]: unknown column \"" + std::string(name) + "\""));
  }
  EXPECT_THAT(FeaturePlan::Make(Spec(1, 10, {"ofi_11"})).error().message,
              "features.columns[0]: \"ofi_11\" is beyond features.levels, which is 10");
  EXPECT_THAT(FeaturePlan::Make(Spec(1, 10, {"return_1001_bp"})).error().message, HasSubstr("1000 snapshots"));
}

TEST(FeaturesTest, SpecsThatCannotWorkNameTheField) {
  const auto message = [](auto change) {
    FeatureSpec spec = Spec(2, 2, {"mid", "spread"});
    change(spec);
    const auto plan = FeaturePlan::Make(spec);
    return plan.has_error() ? plan.error().message : "accepted";
  };
  EXPECT_EQ(message([](FeatureSpec&) {}), "accepted");
  EXPECT_THAT(message([](FeatureSpec& s) { s.window = 0; }), HasSubstr("features.window"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.levels = 21; }), HasSubstr("features.levels"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.columns.clear(); }), HasSubstr("features.columns"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.mean = {1}; }), HasSubstr("features.mean: there are 2 columns and 1"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.mean = {1, NAN}; }), HasSubstr("features.mean[1]"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.std = {0, 1}; }), HasSubstr("features.std[0]"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.std = {1, 1, 1}; }), HasSubstr("features.std"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.clip = -1; }), HasSubstr("features.clip"));
  EXPECT_THAT(message([](FeatureSpec& s) { s.clip = NAN; }), HasSubstr("features.clip"));
}

TEST(FeaturesTest, ComputingAllocatesNothing) {
  const FeaturePlan plan = FeaturePlan::Make(Spec(3, 3, {"ofi_3", "ask_bp_1", "bid_share_2", "return_2_bp"})).value();
  const Window window = Window::Of(FiveBooks(), {});
  std::vector<float> out(3 * plan.columns());
#ifdef PUNCTUAL_ALLOCATIONS_NOT_COUNTED
  GTEST_SKIP() << "allocations are not counted in this build";
#endif
  const std::size_t before = g_allocations;
  const bool computed = plan.Compute(window, out).has_value();
  EXPECT_EQ(g_allocations, before);
  EXPECT_TRUE(computed);
  EXPECT_GT(g_allocations, 0u) << "they are counted";
}

}  // namespace
}  // namespace punctual
