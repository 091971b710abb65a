#include "model/kept_measurements.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "support/temporary_repository.h"

namespace punctual {
namespace {

using ::testing::StartsWith;

class KeptMeasurementsTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_) << text; }
  static std::string KeepError(const std::string& path, const Digest& key, const Measurements& measurements) {
    const auto kept = Keep(path, key, measurements);
    return kept.has_error() ? kept.error().message : "";
  }
  std::size_t Files() const {
    const std::filesystem::directory_iterator files(folder_.path());
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }
  static Digest Key(std::uint64_t number) { return {number, 1}; }
  std::size_t Lines() const {
    std::ifstream file(path_);
    std::size_t lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    return lines;
  }

  test::TemporaryRepository folder_;
  const std::string path_ = folder_.path() + "/kept.txt";
};

TEST_F(KeptMeasurementsTest, FindsWhatWasKept) {
  EXPECT_EQ(FindKept(path_, Key(1)), std::nullopt);
  ASSERT_EQ(KeepError(path_, Key(1), {{"a", 1.5}, {"b", 20}}), "");
  ASSERT_EQ(KeepError(path_, Key(2), {{"a", 3}}), "");
  EXPECT_EQ(FindKept(path_, Key(1)), (Measurements{{"a", 1.5}, {"b", 20}}));
  EXPECT_EQ(FindKept(path_, Key(2)), (Measurements{{"a", 3}}));
  EXPECT_EQ(FindKept(path_, Key(3)), std::nullopt);
}

TEST_F(KeptMeasurementsTest, ReplacesALineAndLeavesTheOthers) {
  ASSERT_EQ(KeepError(path_, Key(1), {{"a", 1}}), "");
  ASSERT_EQ(KeepError(path_, Key(2), {{"a", 2}}), "");
  ASSERT_EQ(KeepError(path_, Key(1), {{"a", 3}}), "");
  EXPECT_EQ(FindKept(path_, Key(1)), (Measurements{{"a", 3}}));
  EXPECT_EQ(FindKept(path_, Key(2)), (Measurements{{"a", 2}}));
  EXPECT_EQ(Lines(), 2u);
}

TEST_F(KeptMeasurementsTest, MakesItsFolder) {
  const std::string path = folder_.path() + "/not/there/kept.txt";
  ASSERT_EQ(KeepError(path, Key(1), {{"a", 1}}), "");
  EXPECT_NE(FindKept(path, Key(1)), std::nullopt);
}

TEST_F(KeptMeasurementsTest, WhatCannotBeReadIsNotThere) {
  for (const char* const rest : {"", " a", " a 0", " a -1", " a nan", " a inf", " a 1x", " a 1 b", " a 1e999"}) {
    Write(HexText(Key(1)) + rest + "\n");
    EXPECT_EQ(FindKept(path_, Key(1)), std::nullopt) << rest;
  }
  Write(HexText(Key(1)) + " a 2\n\n \n\x01\xff\n" + HexText(Key(2)) + "  b 4 \n");
  EXPECT_EQ(FindKept(path_, Key(1)), (Measurements{{"a", 2}}));
  EXPECT_EQ(FindKept(path_, Key(2)), (Measurements{{"b", 4}}));
}

TEST_F(KeptMeasurementsTest, KeepsTheNewestOfMany) {
  std::string text;
  for (std::uint64_t i = 0; i < kMostKeptMeasurements; ++i) text += HexText(Key(i)) + " a 1\n";
  Write(text);
  ASSERT_EQ(KeepError(path_, Key(5'000), {{"a", 1}}), "");
  EXPECT_EQ(Lines(), kMostKeptMeasurements);
  EXPECT_EQ(FindKept(path_, Key(0)), std::nullopt);
  EXPECT_NE(FindKept(path_, Key(1)), std::nullopt);
  EXPECT_NE(FindKept(path_, Key(5'000)), std::nullopt);
}

TEST_F(KeptMeasurementsTest, AnotherFileIsLeftAsItIsAndItIsSaid) {
  const std::string text = std::string(1 << 20, 'x') + "\n" + HexText(Key(1)) + " a 1\n";
  Write(text);
  EXPECT_EQ(FindKept(path_, Key(1)), std::nullopt);
  EXPECT_EQ(KeepError(path_, Key(1), {{"a", 1}}),
            path_ + ": has more than 200000 bytes, so it is another file; name another one");
  EXPECT_EQ(std::filesystem::file_size(path_), text.size());
  EXPECT_EQ(KeepError(folder_.path(), Key(1), {{"a", 1}}), folder_.path() + ": is no file; name another one");
  EXPECT_EQ(Files(), 1u);
}

TEST_F(KeptMeasurementsTest, SaysWhenItCannotWriteAndLeavesNothing) {
  Write("a file");
  EXPECT_EQ(KeepError(path_ + "/below", Key(1), {{"a", 1}}), path_ + "/below: cannot be written: Not a directory");
  // No folder that programs may write to, not even root's.
  EXPECT_THAT(KeepError("/proc/kept.txt", Key(1), {{"a", 1}}), StartsWith("/proc/kept.txt: cannot be written: "));
  EXPECT_EQ(Files(), 1u);
}

TEST_F(KeptMeasurementsTest, ALinkIsFollowed) {
  const std::string link = folder_.path() + "/link.txt";
  for (const char* const target : {"kept.txt", "new/kept.txt"}) {
    std::filesystem::remove(link);
    std::filesystem::create_symlink(target, link);
    ASSERT_EQ(KeepError(link, Key(1), {{"a", 1}}), "");
    EXPECT_TRUE(std::filesystem::is_symlink(link));
    EXPECT_NE(FindKept(folder_.path() + "/" + target, Key(1)), std::nullopt);
  }
}

TEST_F(KeptMeasurementsTest, OfWritersAtOnceEachIsKept) {
  constexpr std::uint64_t kWriters = 3, kEach = 30;
  std::vector<std::thread> writers;
  for (std::uint64_t writer = 0; writer < kWriters; ++writer)
    writers.emplace_back([&, writer] {
      for (std::uint64_t i = 0; i < kEach; ++i) EXPECT_EQ(KeepError(path_, Key(writer * kEach + i), {{"a", 1}}), "");
    });
  for (std::thread& writer : writers) writer.join();
  for (std::uint64_t i = 0; i < kWriters * kEach; ++i) EXPECT_NE(FindKept(path_, Key(i)), std::nullopt) << i;
  EXPECT_EQ(Files(), 1u);
}

TEST_F(KeptMeasurementsTest, WaitsForAnotherWriterButNotForEver) {
  const int folder = ::open(folder_.path().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_EQ(::flock(folder, LOCK_EX), 0);
  EXPECT_EQ(KeepError(path_, Key(1), {{"a", 1}}), "");
  ::close(folder);
  EXPECT_NE(FindKept(path_, Key(1)), std::nullopt);
}

}  // namespace
}  // namespace punctual
