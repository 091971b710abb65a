#include "optimize/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <string>
#include <utility>

#include "model/signals.h"
#include "support/temporary_repository.h"

namespace punctual::optimize {
namespace {

TEST(WithVariantTest, OnlyTheValueOfTheKeyChanges) {
  EXPECT_EQ(WithVariant("# mine\n  variant  =  'fp32'  # why\nbackend = \"auto\"\n", "int8"),
            "# mine\n  variant  =  \"int8\"  # why\nbackend = \"auto\"\n");
  EXPECT_EQ(WithVariant("\"variant\" = \"bf16\"", "int8"), "\"variant\" = \"int8\"");
}

TEST(WithVariantTest, AManifestWithoutTheKeyGetsItBeforeAnyTable) {
  EXPECT_EQ(WithVariant("[features]\nvariant = \"x\"\n", "int8"), "variant = \"int8\"\n[features]\nvariant = \"x\"\n");
  EXPECT_EQ(WithVariant("", "int8"), "variant = \"int8\"\n");
}

TEST(WithVariantTest, AByteOrderMarkStaysInFront) {
  EXPECT_EQ(WithVariant("\xEF\xBB\xBF[cache]\n", "int8"), "\xEF\xBB\xBFvariant = \"int8\"\n[cache]\n");
  EXPECT_EQ(WithVariant("\xEF\xBB\xBFvariant = \"fp32\"\n", "int8"), "\xEF\xBB\xBFvariant = \"int8\"\n");
}

TEST(WithVariantTest, WordsThatBeginOrSoundAlikeAreNotTheKey) {
  EXPECT_EQ(WithVariant("# variant = \"fp32\"\ndescription = \"variant = 'a'\"\n", "int8"),
            "variant = \"int8\"\n# variant = \"fp32\"\ndescription = \"variant = 'a'\"\n");
}

// Folders beside it are called after it, and the report names it.
TEST(ReadModelFolderTest, NamesThatTheNewFolderCannotHaveAreRefused) {
  test::TemporaryRepository repository;
  const std::size_t most = NAME_MAX - std::string(".-optimized.optimizing").size();
  for (const auto& [name, what] : {std::pair(std::string("report.json"), "as a file of the folder to be made"),
                                   std::pair(std::string("m\xFF"), "is not UTF-8"),
                                   std::pair(std::string(most + 1, 'm'), "is too long for what is made beside it")}) {
    repository.AddModel(name, "1", "", "onnx");
    const auto folder = ReadModelFolder(repository.path() + "/" + name);
    ASSERT_TRUE(folder.has_error()) << name;
    EXPECT_EQ(folder.error().code, Code::kInvalidArgument);
    EXPECT_THAT(folder.error().message, ::testing::HasSubstr(what));
  }
  const std::string longest(most, 'm');
  repository.AddModel(longest, "1", "", "onnx");
  EXPECT_EQ(ReadModelFolder(repository.path() + "/" + longest).value().name, longest);
}

Samples Three() {
  Samples samples;
  samples.time_ns = {1'700'000'000'000'000'000, 1'700'000'000'000'000'001, 5};
  samples.symbol = {0, 0, 1};
  samples.symbols = {"BTC", "OLD"};
  return samples;
}

TEST(SignalsOfTest, AreTheMeansOfASymbolAtTheTimeOfItsLastSample) {
  const std::vector<TensorSpec> outputs = {{"p", DType::kFloat32, {1, 2}}};
  const std::string text = SignalsOf(Three(), {0, 1}, outputs, {Answers{2, {0.25f, 0.75f, 0.75f, 0.25f}}});
  EXPECT_EQ(text, "symbol,computed_at_ns,p_0,p_1\nBTC,1700000000000000001,0.5,0.5\n");
  const auto signals = ParseSignals(text, "signals.csv", outputs);
  ASSERT_TRUE(signals.has_value()) << signals.error().message;
  EXPECT_EQ(signals->at("BTC").computed_at_ns, 1'700'000'000'000'000'001);
}

TEST(SignalsOfTest, ASymbolWhoseTimesAreNoneIsLeftOut) {
  const std::vector<TensorSpec> outputs = {{"p", DType::kFloat32, {1, 1}}};
  EXPECT_EQ(SignalsOf(Three(), {2}, outputs, {Answers{1, {1.0f}}}), "");
}

}  // namespace
}  // namespace punctual::optimize
