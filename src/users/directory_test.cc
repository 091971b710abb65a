#include "users/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

const std::map<std::string, TierEntry> kTiers = {{"premium", {milliseconds(15)}}, {"basic", {milliseconds(50)}}};
const StyleModels kStyles = {{"scalping", "mlp"}, {"swing", "deeplob"}};

TEST(UserDirectoryTest, GivesTierAndModelOfAUser) {
  auto directory =
      UserDirectory::Make(kTiers, kStyles, {{"u1", "premium", "swing"}, {"u2", "basic", "scalping"}}).value();
  const UserDirectory moved = std::move(directory);
  EXPECT_EQ(moved.Find("u1").value().tier->budget, milliseconds(15));
  EXPECT_EQ(*moved.Find("u1").value().model, "deeplob");
  EXPECT_EQ(moved.Find("u2").value().tier->name, "basic");
  EXPECT_EQ(moved.tiers()[0].name, "premium");
}

TEST(UserDirectoryTest, AUsersOwnModelBeatsItsTiersWhichBeatsItsStyles) {
  auto tiers = kTiers;
  tiers.at("basic").models = {{"swing", "small"}};
  auto directory = UserDirectory::Make(tiers, kStyles,
                                       {{"own", "basic", "swing", "mine"},
                                        {"tier", "basic", "swing"},
                                        {"style", "basic", "scalping"},
                                        {"other", "premium", "swing"}})
                       .value();
  const UserDirectory moved = std::move(directory);
  const auto model = [&](const char* user) { return *moved.Find(user).value().model; };
  EXPECT_EQ(model("own"), "mine");
  EXPECT_EQ(model("tier"), "small");
  EXPECT_EQ(model("style"), "mlp");
  EXPECT_EQ(model("other"), "deeplob");
}

TEST(UserDirectoryTest, APickSaysWhoMadeIt) {
  const StyleModels of_tier = {{"swing", "small"}};
  const auto by = [&](const std::string& own, const std::string& style) {
    return PickModel(own, of_tier, kStyles, style).by;
  };
  EXPECT_EQ(by("mine", "swing"), PickedBy::kUser);
  EXPECT_EQ(by("", "swing"), PickedBy::kTier);
  EXPECT_EQ(by("", "scalping"), PickedBy::kStyle);
  EXPECT_EQ(PickModel("mine", of_tier, kStyles, "zen").model, nullptr);
}

TEST(UserDirectoryTest, AStyleMustBeDeclaredWhoeverNamesIt) {
  auto tiers = kTiers;
  tiers.at("basic").models = {{"zen", "small"}};
  EXPECT_EQ(UserDirectory::Make(tiers, kStyles, {}).error().message,
            "tiers.basic.models.zen: style \"zen\" is not declared under [styles]");
  EXPECT_THAT(UserDirectory::Make(kTiers, kStyles, {{"u", "basic", "zen", "mine"}}).error().message,
              HasSubstr("user u: style \"zen\""));
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
  EXPECT_THAT(UserDirectory::Make({{"x", {Duration(0)}}}, kStyles, {}).error().message, HasSubstr("tiers.x.budget_ms"));
  EXPECT_TRUE(UserDirectory::Make({}, kStyles, {}).has_error());
}

TEST(UserDirectoryTest, ATiersWeightAndLimitsAreChecked) {
  const auto refusal = [](TierEntry tier) {
    tier.budget = milliseconds(15);
    const auto made = UserDirectory::Make({{"x", tier}}, kStyles, {});
    return made.has_error() ? made.error().message : "";
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_THAT(refusal({.weight = 0}), HasSubstr("tiers.x.weight"));
  EXPECT_THAT(refusal({.weight = std::numeric_limits<double>::quiet_NaN()}), HasSubstr("tiers.x.weight"));
  EXPECT_THAT(refusal({.limit = {-1}}), HasSubstr("tiers.x.rate"));
  EXPECT_THAT(refusal({.limit = {1e7}}), HasSubstr("tiers.x.rate"));
  EXPECT_THAT(refusal({.limit = {10, 0.5}}), HasSubstr("tiers.x.burst"));
  EXPECT_THAT(refusal({.user_limit = {0, 5}}), HasSubstr("tiers.x.user_burst: is given without a rate"));
}

TEST(UserDirectoryTest, EachUserHasABucketAndATierOneForAll) {
  const TierEntry tier{.budget = milliseconds(15), .limit = {1, 5}, .user_limit = {1, 3}};
  const auto directory =
      UserDirectory::Make({{"t", tier}}, kStyles, {{"u1", "t", "swing"}, {"u2", "t", "swing"}}).value();
  const User u1 = directory.Find("u1").value(), u2 = directory.Find("u2").value();
  const TimePoint now(std::chrono::seconds(100));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(TakeTokens(u1, now));
  const auto over = TakeTokens(u1, now);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->limit, LimitOf::kUser);
  EXPECT_EQ(over->retry_after, std::chrono::seconds(1));
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(TakeTokens(u2, now));
  ASSERT_TRUE(TakeTokens(u2, now));
  EXPECT_EQ(TakeTokens(u2, now)->limit, LimitOf::kTier);
}

TEST(UserDirectoryTest, ARefusalByTheTierTakesNoneOfTheUsersTokens) {
  const TierEntry tier{.budget = milliseconds(15), .limit = {1, 1}, .user_limit = {0.001, 2}};
  const auto directory = UserDirectory::Make({{"t", tier}}, kStyles, {{"u", "t", "swing"}}).value();
  const User user = directory.Find("u").value();
  const TimePoint now(std::chrono::seconds(100));
  EXPECT_FALSE(TakeTokens(user, now));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(TakeTokens(user, now).value().limit, LimitOf::kTier);
  EXPECT_FALSE(TakeTokens(user, now + std::chrono::seconds(1)));
  EXPECT_EQ(TakeTokens(user, now + std::chrono::seconds(2)).value().limit, LimitOf::kUser);
}

TEST(UserDirectoryTest, WithoutLimitsNothingIsCounted) {
  const auto directory = UserDirectory::Make(kTiers, kStyles, {{"u", "basic", "swing"}}).value();
  const User user = directory.Find("u").value();
  EXPECT_EQ(user.bucket, nullptr);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(TakeTokens(user, TimePoint()));
}

TEST(UserDirectoryTest, WhatIsMissingIsSaidToBe) {
  EXPECT_EQ(UserDirectory::Make(kTiers, kStyles, {{"u", "basic", "", "", "x.toml:5"}}).error().message,
            "x.toml:5: user u: style: is missing; name one that is declared under [styles]");
  EXPECT_EQ(UserDirectory::Make(kTiers, kStyles, {{"u", "", "swing"}}).error().message,
            "user u: tier: is missing; name one that is declared under [tiers]");
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

TEST_F(UsersFileTest, AFourthColumnIsTheUsersOwnModel) {
  const auto users = Read("user,tier,style,model\nu1,premium,swing,mine\r\nu2,basic,scalping,\n").value();
  ASSERT_EQ(users.size(), 2u);
  EXPECT_EQ(users[0].model, "mine");
  EXPECT_EQ(users[0].style, "swing");
  EXPECT_EQ(users[1].model, "");
  EXPECT_THAT(Read("user,tier,style,model\nu1,premium,swing\n").error().message, HasSubstr(":2: must have 4 columns"));
  EXPECT_THAT(Read("user,tier,style,model\na,b,c,d,e\n").error().message, HasSubstr(":2: must have 4 columns"));
  EXPECT_THAT(Read("user,tier,style\na,b,c,\n").error().message, HasSubstr(":2: must have 3 columns"));
  EXPECT_THAT(Read("user,tier,style,style\n").error().message, HasSubstr(":1: the first line must be"));
}

TEST_F(UsersFileTest, ABadLineIsNamedByNumber) {
  EXPECT_THAT(Read("user,tier,style\nu1,premium\n").error().message, HasSubstr(":2: "));
  EXPECT_THAT(Read("name,tier\n").error().message, HasSubstr(":1: "));
  EXPECT_THAT(Read("user,tier,style\na,b,c,d\n").error().message, HasSubstr(":2: "));
  EXPECT_EQ(ReadUsersFile("/nonexistent").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace punctual
