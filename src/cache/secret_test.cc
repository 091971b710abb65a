#include "cache/secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace punctual {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SecretTest : public ::testing::Test {
 protected:
  SecretTest() {
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
  }
  ~SecretTest() override { fs::remove_all(folder_); }

  void Write(const std::string& bytes) { std::ofstream(folder_ + "/secret") << bytes; }
  std::string Bytes() const {
    std::stringstream bytes;
    bytes << std::ifstream(folder_ + "/secret").rdbuf();
    return bytes.str();
  }
  // What as many threads as processes might have found at once.
  std::set<std::string> OfMany() {
    std::set<std::string> found;
    Mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        const auto secret = SecretIn(folder_);
        MutexLock lock(mutex);
        found.insert(secret.has_value() ? *secret : secret.error().message);
      });
    for (std::thread& thread : threads) thread.join();
    return found;
  }

  std::string folder_ = (fs::temp_directory_path() / "punctual-secret-XXXXXX").string();
};

TEST_F(SecretTest, IsMadeOnceForThisUserAlone) {
  const std::string secret = SecretIn(folder_).value();
  EXPECT_EQ(secret.size(), 32u);
  EXPECT_EQ(Bytes(), secret);
  EXPECT_EQ(SecretIn(folder_).value(), secret);
  struct stat found {};
  ASSERT_EQ(stat((folder_ + "/secret").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(SecretTest, AnEmptyFileIsBegunAnew) {
  Write("");
  const std::string secret = SecretIn(folder_).value();
  EXPECT_EQ(secret.size(), 32u);
  EXPECT_EQ(SecretIn(folder_).value(), secret);
}

TEST_F(SecretTest, ThoseWhoFindItEmptyAtOnceAgree) {
  for (int round = 0; round < 20; ++round) {
    Write("");
    const auto found = OfMany();
    ASSERT_EQ(found.size(), 1u);
    ASSERT_EQ(found.begin()->size(), 32u) << *found.begin();
  }
}

TEST_F(SecretTest, AFileOfAnotherSizeIsRefusedAndLeftAlone) {
  for (const std::string& bytes : {std::string("short"), std::string(33, 'x')}) {
    Write(bytes);
    EXPECT_THAT(SecretIn(folder_).error().message, HasSubstr("is not a secret of 32 bytes; remove it"));
    EXPECT_EQ(Bytes(), bytes);
  }
}

}  // namespace
}  // namespace punctual
