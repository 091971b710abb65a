#include "model/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual {
namespace {

using ::testing::HasSubstr;

TEST(ManifestTest, AnEmptyOneHasTheDefaults) {
  const Manifest manifest = ParseManifest("", "m/model.toml").value();
  EXPECT_EQ(manifest.backend, "auto");
  EXPECT_EQ(manifest.device, "CPU");
  EXPECT_EQ(manifest.variant, "fp32");
  EXPECT_EQ(manifest.ladder, (std::vector{Source::kL1, Source::kL2, Source::kCoalesced, Source::kL3, Source::kModel,
                                          Source::kStale, Source::kSignal}));
  EXPECT_EQ(manifest.max_age, std::chrono::seconds(5));
  EXPECT_EQ(manifest.cache_ttl, std::chrono::seconds(300));
  EXPECT_FALSE(manifest.features.has_value());
}

TEST(ManifestTest, OneVariantHasAFileOfItsOwn) {
  const auto parse = [](const char* text) { return ParseManifest(text, "m/model.toml").value(); };
  EXPECT_EQ(ModelFileName(parse("variant = 'fp32'")), "model.onnx");
  EXPECT_EQ(ModelFileName(parse("variant = 'bf16'")), "model.onnx");
  EXPECT_EQ(PrecisionOf(parse("variant = 'bf16'")), "bf16");
  EXPECT_EQ(ModelFileName(parse("variant = 'int8'")), "int8.onnx");
  EXPECT_EQ(PrecisionOf(parse("variant = 'int8'")), "fp32");
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

TEST(ManifestTest, SemanticIsOffUnlessItIsAskedFor) {
  EXPECT_FALSE(ParseManifest("", "m/model.toml")->semantic.has_value());
  const auto exact = ParseManifest("[semantic]\nkind = 'exact'", "m/model.toml");
  EXPECT_EQ(exact->semantic->kind, SemanticSpec::Kind::kExact);
}

TEST(ManifestTest, ReadsApproximateSemantic) {
  const std::string required = "[semantic]\nkind='approximate'\ngrid=[0.05]\ntolerance=0.02\nmax_error_share=0.1\n";
  const SemanticSpec some = *ParseManifest("max_age_ms = 700\n" + required, "m/model.toml")->semantic;
  EXPECT_EQ(some.kind, SemanticSpec::Kind::kApproximate);
  EXPECT_EQ(some.grid, std::vector<double>{0.05});
  EXPECT_EQ(some.max_age, std::chrono::milliseconds(700));
  EXPECT_EQ(some.audit_share, 0.01);
  EXPECT_EQ(some.tolerance, 0.02);
  EXPECT_EQ(some.max_error_share, 0.1);
  const SemanticSpec all = *ParseManifest(required + "max_age_ms = 250\naudit_share = 1\n", "m/model.toml")->semantic;
  EXPECT_EQ(all.max_age, std::chrono::milliseconds(250));
  EXPECT_EQ(all.audit_share, 1);
}

TEST(ManifestTest, MistakesOfSemanticNameTheKey) {
  const auto error = [](const std::string& lines) {
    return ParseManifest("[semantic]\n" + lines, "m/model.toml").error().message;
  };
  const std::string most = "kind='approximate'\ntolerance=0\nmax_error_share=0\n";
  EXPECT_THAT(error(""), HasSubstr("m/model.toml:1: semantic.kind: is missing; it is \"exact\" or \"approximate\""));
  EXPECT_THAT(error("knid='exact'"), HasSubstr("m/model.toml:2: semantic.knid: no such option"));
  EXPECT_THAT(error("kind='off'"), HasSubstr("m/model.toml:2: semantic.kind: must be"));
  EXPECT_THAT(error("kind='exact'\ngrid=[1]"),
              HasSubstr("semantic.grid: is only for the kind \"approximate\"; remove it"));
  EXPECT_THAT(error(most), HasSubstr("semantic.grid: is missing"));
  EXPECT_THAT(error("kind='approximate'\ngrid=[1]\ntolerance=0"), HasSubstr("semantic.max_error_share: is missing"));
  EXPECT_THAT(error("kind='approximate'\ngrid=[1]\nmax_error_share=0"), HasSubstr("semantic.tolerance: is missing"));
  EXPECT_THAT(error(most + "grid=[]"), HasSubstr("semantic.grid: must be numbers above 0"));
  EXPECT_THAT(error(most + "grid=[1, 0]"), HasSubstr("must be numbers above 0: one for all columns, for instance"));
  EXPECT_THAT(error(most + "gird=[1]"), HasSubstr("m/model.toml:5: semantic.gird: no such option"));
  EXPECT_THAT(error(most + "grid=[nan]"), HasSubstr("semantic.grid: must be a list of finite numbers"));
  EXPECT_THAT(error(most + "grid=[1]\nmax_age_ms=5001"),
              HasSubstr("semantic.max_age_ms: must be at most the manifest's own max_age_ms, which is 5000"));
  EXPECT_THAT(error(most + "grid=[1]\naudit_share=1.1"), HasSubstr("semantic.audit_share"));
  EXPECT_THAT(error("kind='approximate'\ngrid=[1]\ntolerance=-1\nmax_error_share=0"), HasSubstr("semantic.tolerance"));
  EXPECT_THAT(error("kind='approximate'\ngrid=[1]\ntolerance=nan\nmax_error_share=0"), HasSubstr("semantic.tolerance"));
  EXPECT_THAT(ParseManifest("variant='bf16'\n[semantic]\nkind='exact'", "m/model.toml").error().message,
              HasSubstr("semantic.kind: \"exact\" does not go with the variant \"bf16\""));
}

TEST(ManifestTest, AShareOfAnswersIsComparedIfThereIsAStudentOrAVariant) {
  const auto parse = [](const std::string& text) { return ParseManifest(text, "m/model.toml"); };
  EXPECT_EQ(parse("student = 's'")->shadow_share, 0);
  EXPECT_EQ(parse("student = 's'\nshadow_share = 0.25")->shadow_share, 0.25);
  EXPECT_EQ(parse("student = 's'\nshadow_share = 1")->shadow_share, 1);
  EXPECT_TRUE(parse("shadow_share = 0").has_value());
  EXPECT_FALSE(parse("student = 's'\nshadow_share = 1")->HasReference());
  for (const std::string variant : {"int8", "bf16"}) {
    EXPECT_TRUE(parse("shadow_share = 0.25\nvariant = '" + variant + "'")->HasReference());
    EXPECT_FALSE(parse("variant = '" + variant + "'")->HasReference());
    EXPECT_FALSE(parse("shadow_share = 0\nvariant = '" + variant + "'")->HasReference());
  }
  for (const char* nothing : {"\nshadow_share = 0.25", "variant = 'fp32'\nshadow_share = 0.25"})
    EXPECT_THAT(parse(nothing).error().message,
                HasSubstr("m/model.toml:2: shadow_share: there is nothing to compare; name a student (student = "
                          "\"MODEL\"), serve a variant of the model's float file (variant = \"int8\" or \"bf16\"), "
                          "or remove the key"));
  for (const char* wrong : {"-0.1", "1.1", "nan", "'all'"})
    EXPECT_THAT(parse(std::string("student = 's'\nshadow_share = ") + wrong).error().message,
                HasSubstr("m/model.toml:2: shadow_share: must be"))
        << wrong;
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
