#include "optimize/work_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "optimize/model_folder.h"

namespace punctual::optimize {
namespace {

namespace fs = std::filesystem;

class WorkFolderTest : public testing::Test {
 protected:
  WorkFolderTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~WorkFolderTest() override { fs::remove_all(folder_); }
  std::string Target() const { return (folder_ / "made").string(); }

  const fs::path folder_ = fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(WorkFolderTest, TheFolderAppearsWithPublishAndNothingElseStays) {
  auto work = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(work.has_value()) << work.error().message;
  ASSERT_TRUE(work->Write("1/model.onnx", "bytes").has_value());
  ASSERT_TRUE(work->Keep("stage", "kept").has_value());
  EXPECT_FALSE(fs::exists(Target()));
  ASSERT_TRUE(work->Publish().has_value());
  EXPECT_EQ(*ReadWholeFile(Target() + "/1/model.onnx"), "bytes");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(WorkFolderTest, TheNextRunOfTheSameKeyFindsWhatWasKeptAndOneOfAnotherDoesNot) {
  for (const Digest& key : {Digest{1, 2}, Digest{1, 2}, Digest{3, 4}}) {
    auto work = WorkFolder::Open(Target(), key);
    ASSERT_TRUE(work.has_value()) << work.error().message;
    const bool first = !fs::exists(folder_ / "seen");
    EXPECT_EQ(work->Kept("stage").has_value(), !first && key == (Digest{1, 2}));
    ASSERT_TRUE(work->Keep("stage", "kept").has_value());
    std::ofstream(folder_ / "seen") << "x";
    EXPECT_FALSE(work->Kept("another").has_value());
  }
}

TEST_F(WorkFolderTest, WhatTheDiskDidNotKeepWholeIsNotBelieved) {
  auto work = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(work->Keep("stage", "kept").has_value());
  EXPECT_EQ(work->Kept("stage"), "kept");
  fs::resize_file(fs::path(work->path()) / "kept/stage", 34);
  EXPECT_FALSE(work->Kept("stage").has_value());
}

TEST_F(WorkFolderTest, HalfAFolderOfAnEarlierRunIsNotPublished) {
  {
    auto work = WorkFolder::Open(Target(), {1, 2});
    ASSERT_TRUE(work->Write("old", "x").has_value());
  }
  auto work = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(work->Publish().has_value());
  EXPECT_FALSE(fs::exists(Target() + "/old"));
}

TEST_F(WorkFolderTest, AnotherRunIsRefusedMeanwhile) {
  auto work = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(work.has_value());
  const auto second = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, Code::kUnavailable);
}

TEST_F(WorkFolderTest, ALinkInItsPlaceIsNotFollowed) {
  fs::create_directories(folder_ / "elsewhere/kept");
  std::ofstream(folder_ / "elsewhere/kept/precious") << "x";
  fs::create_directory_symlink(folder_ / "elsewhere", folder_ / ".made.optimizing");
  const auto work = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(work.has_error());
  EXPECT_EQ(work.error().code, Code::kInvalidArgument);
  EXPECT_TRUE(fs::exists(folder_ / "elsewhere/kept/precious"));
}

TEST_F(WorkFolderTest, NorIsALinkInsideOfIt) {
  const fs::path precious = folder_ / "precious", work = folder_ / ".made.optimizing";
  std::ofstream(precious) << "mine";
  for (const char* const name : {"key", "lock"}) {
    fs::create_directories(work);
    fs::create_symlink(precious, work / name);
    const auto opened = WorkFolder::Open(Target(), {1, 2});
    ASSERT_TRUE(opened.has_error()) << name;
    EXPECT_NE(opened.error().message.find(std::string(name) + ": cannot be written"), std::string::npos)
        << opened.error().message;
    EXPECT_EQ(*ReadWholeFile(precious.string()), "mine");
    fs::remove_all(work);
  }
}

TEST_F(WorkFolderTest, SaysWhatWasLeftByWhom) {
  const auto left = [&](const Digest& key) {
    auto work = WorkFolder::Open(Target(), key);
    return work.has_value() && work->Keep("stage", "kept").has_value() ? work->left() : WorkFolder::Left::kNothing;
  };
  EXPECT_EQ(left({1, 2}), WorkFolder::Left::kNothing);
  EXPECT_EQ(left({1, 2}), WorkFolder::Left::kThisRuns);
  EXPECT_EQ(left({3, 4}), WorkFolder::Left::kAnothers);
}

TEST_F(WorkFolderTest, WhatIsThereIsNotReplaced) {
  auto work = WorkFolder::Open(Target(), {1, 2});
  ASSERT_TRUE(work->Write("file", "mine").has_value());
  fs::create_directory(Target());
  std::ofstream(Target() + "/file") << "yours";
  const auto published = work->Publish();
  ASSERT_TRUE(published.has_error());
  EXPECT_EQ(published.error().code, Code::kAlreadyExists);
  EXPECT_EQ(*ReadWholeFile(Target() + "/file"), "yours");
  EXPECT_EQ(WorkFolder::Open(Target(), {1, 2}).error().code, Code::kAlreadyExists);
}

}  // namespace
}  // namespace punctual::optimize
