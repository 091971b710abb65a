#include "optimize/student_manifest.h"

#include <gtest/gtest.h>

namespace punctual::optimize {
namespace {

TEST(StudentManifestTest, IsReadAsItWasMeant) {
  Manifest model;
  model.max_age = std::chrono::milliseconds(1234);
  model.student = "another";
  model.outputs = {{"probabilities", "a \"move\"\nof the \\ mid", {"down", "up\t"}}, {"risk", "", {}}};
  StudentView view;
  view.input.name = "book";
  view.features = FeatureSpec{.window = 5,
                              .levels = 7,
                              .columns = {"mid_bp", "ofi_3", "return_10_bp", "imbalance_1", "spread_bp"},
                              .mean = {0.1, 3, -1e-17, 1.0 / 3, 1e22},
                              .std = {1, 2.5, 1e-9, 7, 123456789.123456789},
                              .clip = 10};
  const std::string text = StudentManifest(model, view, "trees that stand in for \"m\"");
  const auto read = ParseManifest(text, "model.toml");
  ASSERT_FALSE(read.has_error()) << read.error().message << "\n" << text;
  EXPECT_EQ(read->description, "trees that stand in for \"m\"");
  EXPECT_EQ(read->max_age, model.max_age);
  EXPECT_EQ(read->student, "");
  EXPECT_EQ(read->feature_input, "book");
  ASSERT_TRUE(read->features.has_value());
  EXPECT_EQ(read->features->window, 5);
  EXPECT_EQ(read->features->levels, 7);
  EXPECT_EQ(read->features->columns, view.features->columns);
  EXPECT_EQ(read->features->mean, view.features->mean);  // to the bit: the student was trained with these
  EXPECT_EQ(read->features->std, view.features->std);
  EXPECT_EQ(read->features->clip, 10);
  ASSERT_EQ(read->outputs.size(), 2u);
  EXPECT_EQ(read->outputs[0].meaning, model.outputs[0].meaning);
  EXPECT_EQ(read->outputs[0].classes, model.outputs[0].classes);
  EXPECT_EQ(read->outputs[1].name, "risk");
}

// A tier's users may ask it by name: nothing may answer them that may not answer the model's.
TEST(StudentManifestTest, HasTheModelsLadderAndAges) {
  StudentView view;
  view.input.name = "x";
  Manifest model;
  model.max_age = std::chrono::microseconds(1500);
  model.signal_max_age = std::chrono::milliseconds(250);
  model.cache_ttl = Duration::zero();
  model.ladder = {Source::kL1, Source::kSemantic, Source::kCoalesced, Source::kModel, Source::kStudent};
  auto read = ParseManifest(StudentManifest(model, view, ""), "model.toml");
  ASSERT_FALSE(read.has_error()) << read.error().message;
  EXPECT_EQ(read->max_age, model.max_age);
  EXPECT_EQ(read->signal_max_age, model.signal_max_age);
  EXPECT_EQ(read->cache_ttl, Duration::zero());
  EXPECT_EQ(read->ladder, (std::vector<Source>{Source::kL1, Source::kCoalesced, Source::kModel}));

  model.max_age = std::chrono::microseconds(1);
  model.ladder = Manifest().ladder;
  const std::string text = StudentManifest(model, view, "");
  EXPECT_EQ(text.find("ladder"), std::string::npos);
  read = ParseManifest(text, "model.toml");
  ASSERT_FALSE(read.has_error()) << read.error().message << text;
  EXPECT_EQ(read->max_age, model.max_age);
}

TEST(StudentManifestTest, OfTensorsHasNoFeatures) {
  StudentView view;
  view.input.name = "x";
  const auto read = ParseManifest(StudentManifest({}, view, ""), "model.toml");
  ASSERT_FALSE(read.has_error()) << read.error().message;
  EXPECT_FALSE(read->features.has_value());
  EXPECT_TRUE(read->outputs.empty());
}

}  // namespace
}  // namespace punctual::optimize
