#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "punctual/engine.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class EngineConfigTest : public ::testing::Test {
 protected:
  Result<EngineOptions> Read(const std::string& text) {
    folder_.Write("punctual.toml", text);
    return EngineOptionsFromFile(folder_.path() + "/punctual.toml");
  }
  test::TemporaryRepository folder_;
};

TEST_F(EngineConfigTest, ReadsEveryTable) {
  folder_.Write("users.csv", "user,tier,style\nu2,gold,swing\n");
  const auto options = Read(R"(
[server]
anything = 1
[models]
repository = "models"
reload_poll_ms = 250
[tiers.gold]
budget_ms = 7.5
[styles]
swing = "deeplob"
[users]
file = "users.csv"
[[users.user]]
name = "u1"
tier = "gold"
style = "swing"
[engine]
workers = 3
queue_limit = 9
inline_threads = 2
reply_reserve_ms = 0.3
[market]
symbols = 5
history = 200
[cache]
secret = "s"
[cache.memory]
bytes = 1000
)");
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->model_repository, folder_.path() + "/models");
  EXPECT_EQ(options->reload_poll, milliseconds(250));
  ASSERT_EQ(options->tiers.size(), 1u);
  EXPECT_EQ(options->tiers.at("gold").budget, std::chrono::microseconds(7500));
  ASSERT_EQ(options->users.size(), 2u);
  EXPECT_EQ(options->users[1].name, "u2");
  EXPECT_EQ(options->styles.at("swing"), "deeplob");
  EXPECT_EQ(options->workers, 3);
  EXPECT_EQ(options->queue_limit, 9u);
  EXPECT_EQ(options->inline_threads, 2u);
  EXPECT_EQ(options->reply_reserve, std::chrono::microseconds(300));
  EXPECT_EQ(options->market_symbols, 5u);
  EXPECT_EQ(options->market_history, 200u);
  EXPECT_EQ(options->cache_secret, "s");
  EXPECT_EQ(options->memory_cache_bytes, 1000u);
}

TEST_F(EngineConfigTest, ErrorsNameFileLineAndKey) {
  EXPECT_THAT(Read("[models]\nrepository = 3\n").error().message, HasSubstr("punctual.toml:2: models.repository"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[engin]\nworkers = 2\n").error().message,
              HasSubstr("3: engin: no such option"));
  EXPECT_THAT(Read("").error().message, HasSubstr("models.repository: is missing"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[tiers.x]\n").error().message, HasSubstr("tiers.x.budget_ms"));
  EXPECT_THAT(Read("[models]\nrepository = 'm'\n[users]\nfile = 'none.csv'\n").error().message, HasSubstr("none.csv"));
}

}  // namespace
}  // namespace punctual
