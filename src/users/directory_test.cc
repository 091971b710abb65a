#include "users/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

const std::map<std::string, Duration> kTiers = {{"premium", milliseconds(15)}, {"basic", milliseconds(50)}};
const std::map<std::string, std::string> kStyles = {{"scalping", "mlp"}, {"swing", "deeplob"}};

TEST(UserDirectoryTest, GivesTierAndModelOfAUser) {
  auto directory =
      UserDirectory::Make(kTiers, kStyles, {{"u1", "premium", "swing"}, {"u2", "basic", "scalping"}}).value();
  const UserDirectory moved = std::move(directory);
  EXPECT_EQ(moved.Find("u1").value().tier->budget, milliseconds(15));
  EXPECT_EQ(*moved.Find("u1").value().model, "deeplob");
  EXPECT_EQ(moved.Find("u2").value().tier->name, "basic");
  EXPECT_EQ(moved.tiers()[0].name, "premium");
}

TEST(UserDirectoryTest, AnUnknownUserIsNotFoundAndNamed) {
  const auto directory = UserDirectory::Make(kTiers, kStyles, {}).value();
  EXPECT_EQ(directory.Find("ghost").error().code, Code::kNotFound);
  EXPECT_THAT(directory.Find("ghost").error().message, HasSubstr("\"ghost\""));
}

TEST(UserDirectoryTest, ALongNameIsCutBetweenCharacters) {
  const auto directory = UserDirectory::Make(kTiers, kStyles, {}).value();
  const std::string message = directory.Find(std::string(63, 'a') + "\u00e9").error().message;
  EXPECT_THAT(message, HasSubstr(std::string(63, 'a') + "\""));
}

TEST(UserDirectoryTest, WhatIsNotDeclaredIsRefusedByName) {
  EXPECT_THAT(UserDirectory::Make(kTiers, kStyles, {{"u", "gold", "swing"}}).error().message, HasSubstr("\"gold\""));
  EXPECT_THAT(UserDirectory::Make(kTiers, kStyles, {{"u", "basic", "zen"}}).error().message, HasSubstr("\"zen\""));
  EXPECT_THAT(UserDirectory::Make(kTiers, kStyles, {{"u", "basic", "swing"}, {"u", "basic", "swing"}}).error().message,
              HasSubstr("twice"));
  EXPECT_THAT(UserDirectory::Make({{"x", Duration(0)}}, kStyles, {}).error().message, HasSubstr("tiers.x.budget_ms"));
  EXPECT_TRUE(UserDirectory::Make({}, kStyles, {}).has_error());
}

class UsersFileTest : public ::testing::Test {
 protected:
  Result<std::vector<UserEntry>> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return ReadUsersFile(path_);
  }
  ~UsersFileTest() override { std::remove(path_.c_str()); }
  const std::string path_ =
      (std::filesystem::temp_directory_path() / ("punctual-users-" + std::to_string(getpid()))).string();
};

TEST_F(UsersFileTest, ReadsALinePerUser) {
  const auto users = Read("user,tier,style\nu1,premium,swing\r\n\nu2,basic,scalping").value();
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].style, "swing");
  EXPECT_EQ(users[1].name, "u2");
  EXPECT_THAT(UserDirectory::Make(kTiers, {}, users).error().message,
              HasSubstr(path_ + ":2: user u1: style \"swing\""));
}

TEST_F(UsersFileTest, ABadLineIsNamedByNumber) {
  EXPECT_THAT(Read("user,tier,style\nu1,premium\n").error().message, HasSubstr(":2: "));
  EXPECT_THAT(Read("name,tier\n").error().message, HasSubstr(":1: "));
  EXPECT_THAT(Read("user,tier,style\na,b,c,d\n").error().message, HasSubstr(":2: "));
  EXPECT_EQ(ReadUsersFile("/nonexistent").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace punctual
