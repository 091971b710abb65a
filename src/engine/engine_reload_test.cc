// The engine over a repository that changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "engine/engine_under_test.h"
#include "model/repository.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

TEST_F(EngineTest, ReloadServesTheNewVersionAndNeverAnOldAnswer) {
  AddLinear("1", 1);
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().identity->version, "1");
  AddLinear("2", 5);
  engine.Reload();
  Prediction answer = engine.Predict(Of("A")).value();
  EXPECT_EQ(answer.identity->version, "2");
  EXPECT_EQ(answer.source, Source::kModel);
  ExpectLinear(answer, 2, 5);
  // The same version number with other bytes is another model.
  AddLinear("2", 9);
  engine.Reload();
  answer = engine.Predict(Of("A")).value();
  EXPECT_EQ(answer.source, Source::kModel);
  ExpectLinear(answer, 2, 9);
}

// As it is where builds lie beside each other and a link is led to the one that serves.
TEST_F(EngineTest, ReloadSeesThatAVersionsLinkLeadsElsewhere) {
  AddLinear("1", 1);
  AddLinear("2", 5);
  const std::filesystem::path models = repository_.path(), link = models / "m" / "3";
  std::filesystem::rename(models / "m" / "1", models / "old");
  std::filesystem::rename(models / "m" / "2", models / "new");
  std::filesystem::create_directory_symlink("../old", link);
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  ExpectLinear(engine.Predict(Of("A")).value(), 2, 1);
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink("../new", link);
  engine.Reload();
  ExpectLinear(engine.Predict(Of("A")).value(), 2, 5);
}

// Which may be a lot: it is looked at every second.
TEST_F(EngineTest, WhatLiesBesideTheVersionsIsNotLookedAt) {
  AddLinear("1");
  Repository repository(repository_.path(), LoadOptions{});
  ASSERT_EQ(repository.Reload().value(), 1);
  repository_.Write("m/data/books.csv", "1");
  EXPECT_EQ(repository.Reload().value(), 0);
  AddLinear("2");
  EXPECT_EQ(repository.Reload().value(), 1);
}

// It takes milliseconds, on whatever thread does it.
TEST_F(EngineTest, AReplacedVersionIsTakenDownByALaterReloadAndNotByItsLastUser) {
  AddLinear("1");
  Repository repository(repository_.path(), LoadOptions{});
  ASSERT_TRUE(repository.Reload().has_value());
  std::shared_ptr<const ServedModel> in_use = repository.Find("m").value().model;
  const std::weak_ptr<const ServedModel> watched = in_use;
  AddLinear("2");
  ASSERT_EQ(repository.Reload().value(), 1);
  ASSERT_EQ(repository.Reload().value(), 0);
  in_use.reset();
  EXPECT_FALSE(watched.expired());
  ASSERT_EQ(repository.Reload().value(), 0);
  EXPECT_TRUE(watched.expired());
}

TEST_F(EngineTest, TheSameFileUnderANewNumberAnswersUnderThatNumber) {
  AddLinear("1");
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().identity->version, "1");
  AddLinear("2");
  engine.Reload();
  const Prediction answer = engine.Predict(Of("A")).value();
  EXPECT_EQ(answer.source, Source::kL1);
  EXPECT_EQ(answer.identity->version, "2");
}

TEST_F(EngineTest, AReplacedVersionIsNoLastKnownGood) {
  AddGated();
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  EXPECT_EQ(engine.Predict(Of("A")).value().source, Source::kModel);
  AddLinear("2", 5, "backend = \"gated\"\n");
  engine.Reload();
  gate_.Close();
  PredictRequest hurried = Of("A");
  hurried.budget = milliseconds(2);
  EXPECT_EQ(engine.Predict(hurried).error().code, Code::kUnavailable);
  gate_.Open();
}

TEST_F(EngineTest, ARepositoryThatCannotBeReadLeavesWhatServes) {
  AddLinear();
  std::vector<std::string> errors;
  options_.on_reload = [&](const Result<int>& changes) {
    if (changes.has_error()) errors.push_back(changes.error().message);
  };
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  std::filesystem::rename(repository_.path(), repository_.path() + ".away");
  engine.Reload();
  engine.Reload();
  std::filesystem::rename(repository_.path() + ".away", repository_.path());
  EXPECT_EQ(errors.size(), 1u) << "said once";
  EXPECT_TRUE(engine.Predict(Of("A")).has_value());
}

TEST_F(EngineTest, AModelFolderWithoutAManifestIsReported) {
  AddLinear();
  repository_.Write("forgotten/1/model.onnx", "x");
  Engine engine = Open();
  ASSERT_EQ(engine.Models().size(), 2u);
  EXPECT_THAT(engine.Models()[0].error, HasSubstr("forgotten/model.toml"));
}

TEST_F(EngineTest, ABrokenVersionIsReportedAndTheOneBeforeGoesOn) {
  AddLinear("1");
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  repository_.Write("m/2/model.onnx", "no model");
  engine.Reload();
  EXPECT_EQ(engine.Predict(Of("A")).value().identity->version, "1");
  ASSERT_EQ(engine.Models().size(), 1u);
  EXPECT_THAT(engine.Models()[0].error, HasSubstr("m/2/model.onnx"));
  EXPECT_EQ(engine.Models()[0].version, "1");
  repository_.Remove("m/2");
  engine.Reload();
  EXPECT_EQ(engine.Models()[0].error, "");
}

TEST_F(EngineTest, AModelThatDoesNotFitItsManifestIsRefusedWithTheReason) {
  const auto error = [&](const std::string& manifest) {
    repository_.AddModel("m", "1", manifest, test::LinearModel(2, 3));
    Engine engine = Open();
    return engine.Models().at(0).error;
  };
  EXPECT_THAT(error(test::ImbalanceManifest(3)), HasSubstr("1 x 3 float32 do not fit the input, FP32 [1,2]"));
  EXPECT_THAT(error(test::ImbalanceManifest(2, "variant = \"fp8\"")), HasSubstr("model.toml:1: variant"));
  EXPECT_THAT(error(test::ImbalanceManifest(2, "bakend = \"x\"")), HasSubstr("bakend: no such option"));
  EXPECT_THAT(error(test::ImbalanceManifest(2, "backend = \"x\"")), HasSubstr("native"));
  EXPECT_THAT(error(test::ImbalanceManifest(2, "ladder = [\"l1\"]")), HasSubstr("must have the rung \"model\""));
  EXPECT_THAT(error(test::ImbalanceManifest(2) + "[[outputs]]\nname = \"y\"\n"), HasSubstr("no output \"y\""));
  EXPECT_THAT(error("[features]\ninput = \"x\"\ncolumns = [\"mid\", \"spread\"]\n"), HasSubstr("called \"book\""));
  EXPECT_THAT(error("[features]\ninput = \"book\"\ncolumns = [\"mid\", \"moon\"]\n"), HasSubstr("moon"));
  EXPECT_THAT(error("[features]\ninput = \"book\"\ncolumns = [\"mid\", \"return_500_bp\"]\n"),
              HasSubstr("market.history"));
}

TEST_F(EngineTest, AskingAModelThatCouldNotBeLoadedSaysWhy) {
  repository_.AddModel("m", "1", test::ImbalanceManifest(2), "no model");
  Engine engine = Open();
  const auto answer = engine.Predict(Of("A"));
  EXPECT_EQ(answer.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(answer.error().message, HasSubstr("m/1/model.onnx"));
}

TEST_F(EngineTest, RequestsDuringReloadsAreAllAnswered) {
  AddLinear("1");
  Engine engine = Open();
  ASSERT_TRUE(engine.Publish("A", Book(1)).has_value());
  std::atomic<bool> stop = false;
  std::atomic<int> asked = 0;
  std::vector<std::thread> askers;
  for (int t = 0; t < 2; ++t)
    askers.emplace_back([&, t] {
      std::uint64_t sequence = 2;
      while (!stop) {
        if (t == 0) {
          ASSERT_TRUE(engine.Publish("A", Book(sequence, static_cast<double>(sequence % 50 + 1))).has_value());
        }
        ++sequence;
        const auto answer = engine.Predict(Of("A"));
        ASSERT_TRUE(answer.has_value()) << answer.error().message;
        ASSERT_FALSE(answer->degraded);
        ++asked;
      }
    });
  for (int version = 2; version <= 5; ++version) {
    AddLinear(std::to_string(version), version);
    engine.Reload();
  }
  stop = true;
  for (auto& asker : askers) asker.join();
  EXPECT_GT(asked, 0);
  EXPECT_EQ(engine.Predict(Of("A")).value().identity->version, "5");
}

TEST_F(EngineTest, APollingEngineNoticesANewVersionByItself) {
  AddLinear("1");
  options_.reload_poll = milliseconds(10);
  Engine engine = Open();
  AddLinear("2");
  for (int i = 0; i < 1000 && engine.Models()[0].version != "2"; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(engine.Models()[0].version, "2");
}

}  // namespace
}  // namespace punctual
