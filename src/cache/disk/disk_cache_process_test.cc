// Several processes on one folder. The others are this program again, running one of the disabled tests below, told by
// the environment what to do.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "cache/disk/disk_cache_under_test.h"

namespace punctual {
namespace {

using namespace test;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::uint64_t kNumbers = 3000;

// Another process that writes to the folder until it is told to stop, or killed.
class Writer {
 public:
  // `base`: it writes the numbers from there on, over and over.
  Writer(const std::string& folder, std::uint64_t base, std::size_t bytes = 8u << 20) {
    stop_ = folder + "/stop-" + std::to_string(base);
    const std::string ready = folder + "/ready-" + std::to_string(base);
    fs::remove(stop_);
    fs::remove(ready);
    const std::string self = fs::read_symlink("/proc/self/exe");
    std::vector<std::string> words = {self, "--gtest_also_run_disabled_tests",
                                      "--gtest_filter=DiskCacheOtherProcess.DISABLED_Writes"};
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
    variables.push_back("PUNCTUAL_TEST_FOLDER=" + folder);
    variables.push_back("PUNCTUAL_TEST_BASE=" + std::to_string(base));
    variables.push_back("PUNCTUAL_TEST_BYTES=" + std::to_string(bytes));
    const auto pointers = [](std::vector<std::string>& texts) {
      std::vector<char*> result;
      for (std::string& text : texts) result.push_back(text.data());
      result.push_back(nullptr);
      return result;
    };
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    EXPECT_EQ(posix_spawn(&pid_, self.c_str(), &quiet, nullptr, pointers(words).data(), pointers(variables).data()), 0);
    posix_spawn_file_actions_destroy(&quiet);
    EXPECT_TRUE(Eventually([&] { return fs::exists(ready); })) << "the other process did not begin";
  }
  ~Writer() {
    if (pid_ > 0) Kill();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Signal(int signal) { ASSERT_EQ(kill(pid_, signal), 0); }
  void Kill() {
    kill(pid_, SIGKILL);
    Wait();
  }
  // Lets it end by itself; true: it found nothing wrong.
  bool Stop() {
    std::ofstream(stop_).flush();
    const int status = Wait();
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  int Wait() {
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  std::string stop_;
  pid_t pid_ = -1;
};

std::size_t SizeOf(std::uint64_t number) { return 50 + number * 37 % 2500; }

void PutOne(DiskCache& cache, std::uint64_t number, std::uint64_t turn) {
  // Every turn with another size, so that a mixture would show.
  cache.Put(KeyOf(number), {1, 2, 3}, UnixTimeNs() + 1000 * kSecond, RecordOf(number, SizeOf(number + turn)));
}

// All that is found must be whole. How many were found.
std::uint64_t CheckAll(const DiskCache& cache, std::uint64_t numbers) {
  std::uint64_t found = 0;
  for (std::uint64_t i = 0; i < numbers; ++i)
    cache.Get(KeyOf(i), UnixTimeNs(), [&](std::span<const std::byte> record) {
      ++found;
      EXPECT_TRUE(IsRecordOf(i, record)) << i;
    });
  return found;
}

TEST(DiskCacheOtherProcess, DISABLED_Writes) {
  const std::string folder = std::getenv("PUNCTUAL_TEST_FOLDER");
  const std::string name = std::getenv("PUNCTUAL_TEST_BASE");
  const std::uint64_t base = std::stoull(name);
  const auto cache = OpenCache(OptionsFor(folder, std::stoull(std::getenv("PUNCTUAL_TEST_BYTES"))));
  EXPECT_EQ(cache->Stats().moved_aside, "");
  for (std::uint64_t turn = 0; !fs::exists(folder + "/stop-" + name); ++turn)
    for (std::uint64_t i = 0; i < kNumbers; ++i) {
      PutOne(*cache, base + i, turn);
      if (i % 200 == 0) CheckAll(*cache, 100);
      if (i % 500 == 0) std::this_thread::sleep_for(milliseconds(1));
      if (turn == 0 && i == 1000) {
        EXPECT_TRUE(Drained(*cache));
        std::ofstream(folder + "/ready-" + name).flush();
      }
    }
}

TEST(DiskCacheProcessTest, KilledWhileWritingTwentyTimesAllThatIsFoundIsWhole) {
  TemporaryFolder folder;
  std::mt19937_64 random(5);
  for (int round = 0; round < 20; ++round) {
    Writer writer(folder.path(), 0);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
    writer.Kill();
    const auto cache = OpenCache(OptionsFor(folder.path()));
    ASSERT_EQ(cache->notice(), "") << "round " << round;
    ASSERT_GT(CheckAll(*cache, kNumbers), 100u) << "round " << round;
    PutSurely(*cache, kNumbers, {1, 2, 3}, UnixTimeNs() + 1000 * kSecond, 100);
    ASSERT_TRUE(Drained(*cache));
    ASSERT_EQ(cache->Stats().failed, 0u) << cache->Stats().last_error;
  }
}

TEST(DiskCacheProcessTest, SeveralProcessesWriteAndReadOneFolder) {
  TemporaryFolder folder;
  Writer first(folder.path(), 0), second(folder.path(), 1000);
  {
    const auto cache = OpenCache(OptionsFor(folder.path()));
    const TimePoint until = std::chrono::steady_clock::now() + milliseconds(500);
    for (std::uint64_t turn = 0; std::chrono::steady_clock::now() < until; ++turn) {
      for (std::uint64_t i = 0; i < 1000; ++i) PutOne(*cache, 2000 + i, turn);
      EXPECT_GT(CheckAll(*cache, 4000), 100u);
      std::this_thread::sleep_for(milliseconds(5));
    }
    EXPECT_GT(cache->Stats().writes, 0u);
    EXPECT_EQ(cache->Stats().why_resting, "");
  }
  EXPECT_TRUE(first.Stop());
  // Opened and closed while another goes on, and after one was killed.
  for (int i = 0; i < 10; ++i) EXPECT_GT(CheckAll(*OpenCache(OptionsFor(folder.path())), 4000), 100u);
  second.Kill();
  const auto cache = OpenCache(OptionsFor(folder.path()));
  EXPECT_EQ(cache->notice(), "");
  EXPECT_GT(CheckAll(*cache, 4000), 100u);
}

TEST(DiskCacheProcessTest, AFileThatAnotherProcessMadeLargerGoesOnBeingRead) {
  TemporaryFolder folder;
  const auto cache = OpenCache(OptionsFor(folder.path(), 4u << 20));
  PutSurely(*cache, 1'000'000, {1, 2, 3}, UnixTimeNs() + 10'000 * kSecond, 100);
  ASSERT_TRUE(Drained(*cache));
  Writer larger(folder.path(), 0, 64u << 20);
  ASSERT_TRUE(Eventually([&] { return fs::file_size(folder.path() + "/data.mdb") > (6u << 20); }));
  EXPECT_TRUE(Eventually([&] { return CheckAll(*cache, kNumbers) > 100; }));
  EXPECT_TRUE(Find(*cache, KeyOf(1'000'000)).has_value());
  const std::uint64_t writes = cache->Stats().writes;
  PutOne(*cache, 5000, 0);
  EXPECT_TRUE(Eventually([&] { return cache->Stats().writes > writes; }));
  EXPECT_TRUE(larger.Stop());
}

TEST(DiskCacheProcessTest, AStoppedProcessKeepsNobodyFromReadingAndClosing) {
  TemporaryFolder folder;
  std::mt19937_64 random(6);
  for (int round = 0; round < 5; ++round) {
    Writer writer(folder.path(), 0);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    writer.Signal(SIGSTOP);  // wherever it is, mostly in the middle of a transaction
    auto cache = OpenCache(OptionsFor(folder.path()));
    TimePoint begin = std::chrono::steady_clock::now();
    EXPECT_GT(CheckAll(*cache, kNumbers), 100u);
    for (std::uint64_t i = 0; i < 10'000; ++i) PutOne(*cache, i, 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    begin = std::chrono::steady_clock::now();
    cache.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
    writer.Signal(SIGCONT);
    EXPECT_TRUE(writer.Stop());
  }
}

}  // namespace
}  // namespace punctual
