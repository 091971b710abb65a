#include "model/versions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/temporary_repository.h"

namespace punctual {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Versions, AreNumbersAboveZero) {
  EXPECT_EQ(VersionOf("1"), 1u);
  EXPECT_EQ(VersionOf("20261201"), 20261201u);
  EXPECT_EQ(VersionOf("007"), 7u);
  for (const char* none : {"", "0", "-1", "+1", "1a", "a1", " 1", "1 ", "1.5", "v1", "18446744073709551616"})
    EXPECT_EQ(VersionOf(none), std::nullopt) << none;
}

TEST(Versions, AreFoldersTheHighestFirst) {
  test::TemporaryRepository models;
  for (const char* version : {"9", "10", "2", "02"}) models.Write("m/" + std::string(version) + "/model.onnx", "");
  models.Write("m/11", "a file");
  models.Write("m/draft/model.onnx", "");
  models.Write("elsewhere/model.onnx", "");
  fs::create_directory_symlink("../elsewhere", models.path() + "/m/12");
  fs::create_directory_symlink("../gone", models.path() + "/m/13");
  EXPECT_THAT(VersionsOf(models.path() + "/m"), ElementsAre("12", "10", "9", "2", "02"));
}

TEST(Versions, OfWhatCannotBeReadAreNone) {
  test::TemporaryRepository models;
  models.Write("m", "a file");
  EXPECT_THAT(VersionsOf(models.path() + "/m"), IsEmpty());
  EXPECT_THAT(VersionsOf(models.path() + "/none"), IsEmpty());
}

}  // namespace
}  // namespace punctual
