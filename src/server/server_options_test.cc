#include "server/server_options.h"

#include <gtest/gtest.h>

#include <fstream>

namespace punctual {
namespace {

Result<ServerOptions> Read(const std::string& text) {
  const std::string path = testing::TempDir() + "server_options_test.toml";
  std::ofstream(path) << text;
  auto options = ServerOptionsFromFile(path);
  if (options.has_error()) {
    Error error = options.error();
    error.message.erase(0, path.size());
    return error;
  }
  return options;
}

TEST(ServerOptionsTest, ReadsItsTableAndLeavesTheOthersAlone) {
  const auto options = Read(
      "model_repository = 'm'\n[users.u]\ntier = 'x'\n[server]\nlisten = '0.0.0.0:9'\nmax_pipelined = 3\n"
      "idle_timeout_ms = 1500.5\nspin_us = 50\n");
  ASSERT_TRUE(options.has_value()) << options.error().message;
  EXPECT_EQ(options->listen, "0.0.0.0:9");
  EXPECT_EQ(options->max_pipelined, 3);
  EXPECT_EQ(options->idle_timeout, std::chrono::microseconds(1'500'500));
  EXPECT_EQ(options->max_connections, 10'000);
  EXPECT_EQ(options->spin, std::chrono::microseconds(50));
}

TEST(ServerOptionsTest, AFileWithoutTheTableGivesTheDefaults) { EXPECT_EQ(Read("a = 1\n")->listen, "127.0.0.1:8080"); }

TEST(ServerOptionsTest, TheUnixSocketStandsBesideTheFile) {
  EXPECT_EQ(Read("[server]\nunix_socket = 'run/p.sock'\n")->unix_socket, testing::TempDir() + "run/p.sock");
  EXPECT_EQ(Read("[server]\nunix_socket = '/run/p.sock'\n")->unix_socket, "/run/p.sock");
  EXPECT_EQ(Read("[server]\nunix_socket = ''\n")->unix_socket, "");
}

TEST(ServerOptionsTest, MistakesNameTheLineAndTheKey) {
  EXPECT_EQ(Read("[server]\nlisten_on = 'x'\n").error().message,
            ":2: server.listen_on: no such option; remove it or correct its name");
  EXPECT_EQ(Read("[server]\nmax_pipelined = 0\n").error().message,
            ":2: server.max_pipelined: must be a whole number from 1 to 1024");
  EXPECT_EQ(Read("[server]\nspin_us = 1001\n").error().message,
            ":2: server.spin_us: must be a whole number from 0 to 1000");
  EXPECT_EQ(Read("[server]\nlisten = ''\n").error().message,
            ":2: server.listen: is empty, and so is unix_socket; give one of them");
  EXPECT_EQ(ServerOptionsFromFile("/nonexistent.toml").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace punctual
