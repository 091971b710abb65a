#include "model/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual {
namespace {

using ::testing::HasSubstr;

TEST(ManifestTest, AnEmptyOneHasTheDefaults) {
  const Manifest manifest = ParseManifest("", "m/model.toml").value();
  EXPECT_EQ(manifest.backend, "openvino");
  EXPECT_EQ(manifest.device, "CPU");
  EXPECT_EQ(manifest.variant, "fp32");
  EXPECT_EQ(manifest.ladder,
            (std::vector{Source::kL1, Source::kCoalesced, Source::kModel, Source::kStale, Source::kSignal}));
  EXPECT_EQ(manifest.max_age, std::chrono::seconds(5));
  EXPECT_EQ(manifest.cache_ttl, std::chrono::seconds(300));
  EXPECT_FALSE(manifest.features.has_value());
}

TEST(ManifestTest, ReadsEveryKey) {
  const Manifest manifest = ParseManifest(R"(
description = "d"
backend = "other"
device = "GPU"
variant = "bf16"
ladder = ["model", "l1"]
max_age_ms = 250
[features]
input = "book"
window = 100
levels = 5
columns = ["mid"]
mean = [1]
std = [2.5]
clip = 10
[[outputs]]
name = "p"
meaning = "probabilities"
classes = ["a", "b"]
[cache]
ttl_ms = 1000
)",
                                          "m/model.toml")
                                .value();
  EXPECT_EQ(manifest.ladder, (std::vector{Source::kModel, Source::kL1}));
  EXPECT_EQ(manifest.max_age, std::chrono::milliseconds(250));
  EXPECT_EQ(manifest.cache_ttl, std::chrono::seconds(1));
  EXPECT_EQ(manifest.feature_input, "book");
  EXPECT_EQ(manifest.features->window, 100);
  EXPECT_EQ(manifest.features->levels, 5);
  EXPECT_EQ(manifest.features->std, std::vector<double>{2.5});
  EXPECT_EQ(manifest.outputs.at(0).classes.size(), 2u);
}

TEST(ManifestTest, MistakesNameFileLineAndKey) {
  const auto error = [](const std::string& text) { return ParseManifest(text, "m/model.toml").error().message; };
  EXPECT_THAT(error("variant = 'int4'"), HasSubstr("m/model.toml:1: variant: must be"));
  EXPECT_THAT(error("ladder = ['moon', 'model']"), HasSubstr("ladder: \"moon\" is not a rung"));
  EXPECT_THAT(error("ladder = ['model', 'model']"), HasSubstr("twice"));
  EXPECT_THAT(error("ladder = ['l1', 'stale']"), HasSubstr("must have the rung \"model\""));
  EXPECT_THAT(error("ladder = ['coalesced', 'stale', 'model']"), HasSubstr("right before \"model\""));
  EXPECT_THAT(error("\nmax_age_ms = -1"), HasSubstr("m/model.toml:2: max_age_ms"));
  EXPECT_THAT(error("[features]\nwindow = 0\ninput='x'"), HasSubstr("features.window"));
  EXPECT_THAT(error("[features]\nwindow = 1"), HasSubstr("features.input"));
  EXPECT_THAT(error("[features]\ninput='x'\nmean = [nan]"), HasSubstr("features.mean"));
  EXPECT_THAT(error("[[outputs]]\nmeaning = 'x'"), HasSubstr("outputs.name"));
}

}  // namespace
}  // namespace punctual
