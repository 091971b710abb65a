#include "model/kept_measurements.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_repository.h"

namespace punctual {
namespace {

class KeptMeasurementsTest : public ::testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_) << text; }
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
  ASSERT_TRUE(Keep(path_, Key(1), {{"a", 1.5}, {"b", 20}}));
  ASSERT_TRUE(Keep(path_, Key(2), {{"a", 3}}));
  EXPECT_EQ(FindKept(path_, Key(1)), (Measurements{{"a", 1.5}, {"b", 20}}));
  EXPECT_EQ(FindKept(path_, Key(2)), (Measurements{{"a", 3}}));
  EXPECT_EQ(FindKept(path_, Key(3)), std::nullopt);
}

TEST_F(KeptMeasurementsTest, ReplacesALineAndLeavesTheOthers) {
  ASSERT_TRUE(Keep(path_, Key(1), {{"a", 1}}));
  ASSERT_TRUE(Keep(path_, Key(2), {{"a", 2}}));
  ASSERT_TRUE(Keep(path_, Key(1), {{"a", 3}}));
  EXPECT_EQ(FindKept(path_, Key(1)), (Measurements{{"a", 3}}));
  EXPECT_EQ(FindKept(path_, Key(2)), (Measurements{{"a", 2}}));
  EXPECT_EQ(Lines(), 2u);
}

TEST_F(KeptMeasurementsTest, MakesItsFolder) {
  const std::string path = folder_.path() + "/not/there/kept.txt";
  ASSERT_TRUE(Keep(path, Key(1), {{"a", 1}}));
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
  ASSERT_TRUE(Keep(path_, Key(5'000), {{"a", 1}}));
  EXPECT_EQ(Lines(), kMostKeptMeasurements);
  EXPECT_EQ(FindKept(path_, Key(0)), std::nullopt);
  EXPECT_NE(FindKept(path_, Key(1)), std::nullopt);
  EXPECT_NE(FindKept(path_, Key(5'000)), std::nullopt);
}

TEST_F(KeptMeasurementsTest, AFileThatIsTooLargeIsNotReadAndReplaced) {
  Write(std::string(1 << 20, 'x') + "\n" + HexText(Key(1)) + " a 1\n");
  EXPECT_EQ(FindKept(path_, Key(1)), std::nullopt);
  ASSERT_TRUE(Keep(path_, Key(1), {{"a", 1}}));
  EXPECT_EQ(Lines(), 1u);
}

TEST_F(KeptMeasurementsTest, SaysWhenItCannotWrite) {
  Write("a file");
  EXPECT_FALSE(Keep(path_ + "/below", Key(1), {{"a", 1}}));
}

}  // namespace
}  // namespace punctual
