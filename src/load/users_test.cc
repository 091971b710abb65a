#include "load/users.h"

#include <gtest/gtest.h>

#include <fstream>

namespace punctual::load {
namespace {

class UsersTest : public testing::Test {
 protected:
  std::string Write(const std::string& text) const {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string ErrorOf(const std::string& text) const {
    const auto users = ReadUsers(Write(text), tiers_, "");
    return users.has_error() ? users.error().message : "no error";
  }

  const std::vector<Tier> tiers_ = LoadOptions{}.tiers;
  const std::string path_ = testing::TempDir() + "users_test.csv";
};

TEST_F(UsersTest, ReadsUsersWithTheirTiersAndPicksAStyle) {
  const std::string path = Write("user,tier,style\nada,basic,scalping\r\n\nbob,premium,swing\n");
  const auto users = ReadUsers(path, tiers_, "").value();
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].name, "ada");
  EXPECT_EQ(tiers_[users[0].tier].name, "basic");
  EXPECT_EQ(tiers_[users[1].tier].name, "premium");
  const auto swing = ReadUsers(path, tiers_, "swing").value();
  ASSERT_EQ(swing.size(), 1u);
  EXPECT_EQ(swing[0].name, "bob");
  EXPECT_EQ(ReadUsers(path, tiers_, "none").error().message, path + ": no users of style none");
}

TEST_F(UsersTest, AModelBehindTheStyleIsTheServersToRead) {
  const std::string path = Write("user,tier,style,model\nada,basic,scalping,\nbob,premium,swing,mlp\n");
  EXPECT_EQ(ReadUsers(path, tiers_, "").value().size(), 2u);
  EXPECT_EQ(ReadUsers(path, tiers_, "scalping").value().at(0).name, "ada");
  EXPECT_EQ(ReadUsers(path, tiers_, "swing").value().at(0).name, "bob");
  EXPECT_EQ(ErrorOf("user,tier,style,model\na,basic,x\n"), path_ + ":2: takes four fields: user,tier,style,model");
  EXPECT_EQ(ErrorOf("user,tier,style\na,basic,x,m\n"), path_ + ":2: takes three fields: user,tier,style");
}

TEST_F(UsersTest, ErrorsNameTheFileAndTheLine) {
  EXPECT_EQ(ErrorOf("name,tier\n"), path_ + ":1: the header must be \"user,tier,style\" or \"user,tier,style,model\"");
  EXPECT_EQ(ErrorOf("user,tier,style\na,basic,x\nb,basic\n"), path_ + ":3: takes three fields: user,tier,style");
  EXPECT_EQ(ErrorOf("user,tier,style\n,basic,x\n"), path_ + ":2: user: must not be empty");
  EXPECT_EQ(ErrorOf("user,tier,style\na,gold,x\n"),
            path_ + ":2: tier: \"gold\" has no budget; give it with --tier gold=MS");
  EXPECT_EQ(ErrorOf("user,tier,style\na,basic,x\na,basic,y\n"), path_ + ":3: user: \"a\" is there twice");
  EXPECT_EQ(ErrorOf("user,tier,style\n"), path_ + ": no users");
  EXPECT_EQ(ReadUsers("/nowhere/users.csv", tiers_, "").error().code, Code::kNotFound);
}

TEST_F(UsersTest, UsersThatAreMadeUpTakeTheTiersInTurn) {
  const auto users = MakeUsers(4, tiers_);
  EXPECT_EQ(users[0].name, "u1");
  EXPECT_EQ(users[3].name, "u4");
  EXPECT_EQ(users[3].tier, users[0].tier);
  EXPECT_NE(users[1].tier, users[0].tier);
}

TEST_F(UsersTest, TiersAreNamesWithMilliseconds) {
  const Tier tier = ParseTier("gold=7.5").value();
  EXPECT_EQ(tier.name, "gold");
  EXPECT_EQ(tier.budget, std::chrono::microseconds(7500));
  for (const char* bad : {"gold", "gold=", "=5", "gold=0", "gold=-1", "gold=5x", "gold=nan", "gold=1e99"})
    EXPECT_EQ(ParseTier(bad).error().message,
              "tier \"" + std::string(bad) + "\": write NAME=MILLISECONDS, for instance premium=15");
}

}  // namespace
}  // namespace punctual::load
