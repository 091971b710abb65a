#include "base/config_file.h"

#include <gtest/gtest.h>

#include <limits>

namespace punctual {
namespace {

TEST(ConfigFileTest, ReadsWhatIsThereAndKeepsDefaults) {
  auto file = ConfigFile::Parse("name = 'm'\ncount = 3\nlist = [1, 2.5]\n[a]\nwait_ms = 1.5\n", "x.toml").value();
  std::string name, other = "default";
  std::int64_t count = 0;
  std::vector<double> list;
  Duration wait{};
  ConfigTable root = file.root();
  root.Get("name", name);
  root.Get("other", other);
  root.Get("count", count, 0, 10);
  root.Get("list", list);
  root.Table("a")->GetMs("wait_ms", wait, Duration(0), std::chrono::seconds(1));
  EXPECT_TRUE(file.Finish().has_value());
  EXPECT_EQ(name, "m");
  EXPECT_EQ(other, "default");
  EXPECT_EQ(count, 3);
  EXPECT_EQ(list, (std::vector<double>{1, 2.5}));
  EXPECT_EQ(wait, std::chrono::microseconds(1500));
}

TEST(ConfigFileTest, AKeyNobodyReadIsAnErrorWithItsLine) {
  auto file = ConfigFile::Parse("a = 1\n[b]\nspeling = 2\n", "x.toml").value();
  std::int64_t a = 0;
  file.root().Get("a", a, 0, 9);
  file.root().Table("b");
  EXPECT_EQ(file.Finish().error().message, "x.toml:3: b.speling: no such option; remove it or correct its name");
}

TEST(ConfigFileTest, WhatSomebodyElseReadsIsNotAskedFor) {
  auto file = ConfigFile::Parse("[mine]\na = 1\n[theirs]\nb = 2\n[theirs.deep]\nc = 3\n", "x.toml").value();
  std::int64_t a = 0;
  file.root().Table("mine")->Get("a", a, 0, 9);
  EXPECT_EQ(file.Finish().error().message, "x.toml:3: theirs: no such option; remove it or correct its name");
  file.root().Ignore("theirs");
  file.root().Ignore("not there");
  EXPECT_TRUE(file.Finish().has_value());
}

TEST(ConfigFileTest, WrongTypesAndRangesNameTheKey) {
  for (const auto& [text, what] : {std::pair{"n = 'x'", "x.toml:1: n: must be a whole number from 0 to 9"},
                                   std::pair{"n = 10", "x.toml:1: n: must be a whole number from 0 to 9"},
                                   std::pair{"n = 1.0", "x.toml:1: n: must be a whole number from 0 to 9"}}) {
    auto file = ConfigFile::Parse(text, "x.toml").value();
    std::int64_t n = 0;
    file.root().Get("n", n, 0, 9);
    EXPECT_EQ(file.Finish().error().message, what);
  }
}

TEST(ConfigFileTest, RangesAreWrittenAsPeopleDo) {
  const auto error = [](const std::string& text, auto&& read) {
    auto file = ConfigFile::Parse(text, "x.toml").value();
    ConfigTable root = file.root();
    read(root);
    return file.Finish().error().message;
  };
  double number = 0;
  Duration wait{};
  EXPECT_EQ(error("n = 2", [&](ConfigTable& t) { t.Get("n", number, 0, 1); }),
            "x.toml:1: n: must be a number from 0 to 1");
  EXPECT_EQ(error("n = -1", [&](ConfigTable& t) { t.Get("n", number, 0, 1e9); }),
            "x.toml:1: n: must be a number from 0 to 1000000000");
  EXPECT_EQ(error("n = -1", [&](ConfigTable& t) { t.Get("n", number, 0, std::numeric_limits<double>::max()); }),
            "x.toml:1: n: must be a number, at least 0");
  EXPECT_EQ(error("w_ms = 0", [&](ConfigTable& t) { t.GetMs("w_ms", wait, Duration(1), std::chrono::hours(1)); }),
            "x.toml:1: w_ms: must be a number of milliseconds above 0, up to 3600000");
  EXPECT_EQ(error("w_ms = 's'", [&](ConfigTable& t) { t.GetMs("w_ms", wait, Duration(0), Duration(1'500'000)); }),
            "x.toml:1: w_ms: must be a number of milliseconds from 0 to 1.5");
}

TEST(ConfigFileTest, AMisspeltKeyIsNamedBeforeTheOneThatIsMissing) {
  const auto error = [](const std::string& text) {
    auto file = ConfigFile::Parse(text, "x.toml").value();
    ConfigTable root = file.root();
    std::string nodes;
    root.Get("nodes", nodes);
    if (nodes.empty()) root.Refuse("nodes", "is missing");
    return file.Finish().error().message;
  };
  EXPECT_EQ(error("node = 'a'\n"), "x.toml:1: node: no such option; remove it or correct its name");
  EXPECT_EQ(error("nodes = ''\nnode = 'a'\n"), "x.toml:1: nodes: is missing");
  EXPECT_EQ(error(""), "x.toml:1: nodes: is missing");
}

TEST(ConfigFileTest, TextThatIsNotTomlNamesTheLine) {
  auto file = ConfigFile::Parse("a = 1\nb = = 2\n", "x.toml");
  ASSERT_TRUE(file.has_error());
  EXPECT_TRUE(file.error().message.starts_with("x.toml:2: not TOML")) << file.error().message;
}

TEST(ConfigFileTest, OtherThanAsciiMustStandInQuotesOrComments) {
  for (const char* text :
       {"s\u013av", "a = 1\n\u00e9 = 2", "a = \"\u00e9\" \u00e9", "a = '\\' \u00e9", "a = \"\"\"x\n\"\"\"\u00e9"})
    EXPECT_TRUE(ConfigFile::Parse(text, "x.toml").has_error()) << text;
  EXPECT_TRUE(ConfigFile::Parse("a = 1\n\u00e9 = 2", "x.toml").error().message.starts_with("x.toml:2: not TOML"));
  for (const char* text :
       {"a = \"\u00e9\" # \u00e9", "a = '\u00e9'", "a = \"\\\"\u00e9\"", "a = \"\"\"x\n\u00e9\"\"\"", "\"\u00e9\" = 1"})
    EXPECT_TRUE(ConfigFile::Parse(text, "x.toml").has_value()) << text;
}

TEST(ConfigFileTest, AFolderIsNoFile) {
  EXPECT_EQ(ConfigFile::Read("/").error().message, "/: is a folder; give the path of a TOML file");
}

TEST(ConfigFileTest, AMissingFileIsNotFound) {
  EXPECT_EQ(ConfigFile::Read("/nonexistent/x.toml").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace punctual
