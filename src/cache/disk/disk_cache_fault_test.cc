// Folders and disks that cannot be used. Those that need a file system of their own run as children of the test, in
// namespaces of their own (the command unshare); where that is not allowed they are skipped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <mutex>
#include <vector>

#include "cache/disk/disk_cache_under_test.h"

namespace punctual {
namespace {

using namespace test;
namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr Subject kAbout{1, 2, 3};

void ExpectRefused(const std::string& directory, Code code, const std::string& what) {
  const auto cache = DiskCache::Open(OptionsFor(directory));
  ASSERT_TRUE(cache.has_error()) << directory;
  EXPECT_EQ(cache.error().code, code);
  EXPECT_THAT(cache.error().message, AllOf(HasSubstr("cache.disk.directory: "), HasSubstr(what)));
}

TEST(DiskCacheFolderTest, IsMadeForThisUserAlone) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/a/b";
  const auto cache = OpenCache(OptionsFor(path));
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700u);
  for (const char* file : {"/data.mdb", "/lock.mdb", "/punctual.lock"}) {
    ASSERT_EQ(stat((path + file).c_str(), &found), 0) << file;
    EXPECT_EQ(found.st_mode & 0777, 0600u) << file;
  }
}

TEST(DiskCacheFolderTest, ThatCannotBeMadeIsRefused) {
  TemporaryFolder folder;
  std::ofstream(folder.path() + "/file") << "x";
  ExpectRefused(folder.path() + "/file", Code::kFailedPrecondition, "is no folder");
  ExpectRefused(folder.path() + "/file/below", Code::kFailedPrecondition, "cannot be made");
  ExpectRefused("/proc/punctual", Code::kFailedPrecondition, "cannot be made");
}

TEST(DiskCacheFolderTest, ThatOthersCanWriteToIsRefused) {
  TemporaryFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0777), 0);
  ExpectRefused(folder.path(), Code::kFailedPrecondition, "others could change answers in it");
}

TEST(DiskCacheFolderTest, OfAnotherProgramIsLeftAlone) {
  TemporaryFolder folder;
  std::ofstream(folder.path() + "/data.mdb") << "of another program";
  ExpectRefused(folder.path(), Code::kFailedPrecondition, "that is not Punctual's");
  EXPECT_TRUE(fs::exists(folder.path() + "/data.mdb"));
  EXPECT_FALSE(fs::exists(folder.path() + "/punctual.lock"));
}

TEST(DiskCacheFolderTest, LinksInPlaceOfItsFilesAreRefused) {
  for (const char* name : {"/data.mdb", "/lock.mdb", "/punctual.lock"}) {
    TemporaryFolder folder;
    const std::string victim = folder.path() + "/victim", cache = folder.path() + "/cache";
    std::ofstream(victim) << "precious";
    ASSERT_EQ(mkdir(cache.c_str(), 0700), 0);
    std::ofstream(cache + "/punctual.lock").flush();
    fs::remove(cache + name);
    fs::create_symlink(victim, cache + name);
    ExpectRefused(cache, Code::kFailedPrecondition, "is no plain file of this user");
    fs::remove(cache + name);
    fs::create_hard_link(victim, cache + name);
    ExpectRefused(cache, Code::kFailedPrecondition, "is no plain file of this user");
    EXPECT_EQ(fs::file_size(victim), 8u);
  }
}

TEST(DiskCacheFolderTest, OfAnotherLmdbIsRefusedAndLeftAlone) {
  TemporaryFolder folder;
  OpenCache(OptionsFor(folder.path())).reset();
  {
    std::fstream file(folder.path() + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
    const std::uint32_t version = 2;
    file.seekp(16 + 4);
    file.write(reinterpret_cast<const char*>(&version), sizeof version);
  }
  ExpectRefused(folder.path(), Code::kFailedPrecondition, "is another LMDB's: it has data format 2");
}

TEST(DiskCacheFolderTest, AFileLargerThanTheBoundIsBegunAnew) {
  TemporaryFolder folder;
  {
    const auto cache = OpenCache(OptionsFor(folder.path(), 16u << 20));
    for (std::uint64_t i = 0; i < 3000; ++i) PutSurely(*cache, i, kAbout, UnixTimeNs() + 100 * kSecond, 3000);
  }
  ASSERT_GT(fs::file_size(folder.path() + "/data.mdb"), 4u << 20);
  {
    const auto cache = OpenCache(OptionsFor(folder.path(), 4u << 20));
    EXPECT_THAT(cache->notice(), HasSubstr("was begun anew"));
    EXPECT_EQ(cache->Stats().entries, 0u);
    for (std::uint64_t i = 0; i < 3000; ++i) PutSurely(*cache, i, kAbout, UnixTimeNs() + 100 * kSecond, 3000);
    ASSERT_TRUE(Drained(*cache));
    EXPECT_EQ(cache->Stats().failed, 0u);
  }
  EXPECT_LE(fs::file_size(folder.path() + "/data.mdb"), 4u << 20);
  EXPECT_EQ(OpenCache(OptionsFor(folder.path(), 4u << 20))->notice(), "");
}

// A reader that does not leave keeps every old page, until there are none for dropping entries either.
TEST(DiskCacheReaderTest, APurgeThatFindsTheMapFullPausesAndGoesOnLater) {
  TemporaryFolder folder;
  DiskCacheOptions options = OptionsFor(folder.path(), 4u << 20);
  options.queue = 8;  // each batch of puts that finds no room tries for a second
  const auto cache = OpenCache(options);
  std::uint64_t number = 0;
  const auto put = [&] {
    PutSurely(*cache, number, kAbout, UnixTimeNs() + 100 * kSecond, 3000);
    ++number;
  };
  while (number < 500) put();
  ASSERT_TRUE(Drained(*cache));
  std::promise<void> reading, leave;
  std::thread reader([&] {
    cache->Get(KeyOf(number - 1), UnixTimeNs(), [&](std::span<const std::byte>) {
      reading.set_value();
      leave.get_future().wait();
    });
  });
  reading.get_future().wait();
  while (cache->Stats().failed == 0) put();
  std::promise<std::string> purged;
  const TimePoint began = std::chrono::steady_clock::now();
  ASSERT_TRUE(cache->Purge({}, [&](std::uint64_t, const std::string& error) { purged.set_value(error); }));
  EXPECT_TRUE(Eventually([&] { return cache->Stats().purge_pauses >= 2; }));
  const std::uint64_t pauses = cache->Stats().purge_pauses;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began).count();
  EXPECT_LE(pauses, static_cast<std::uint64_t>(seconds) + 1) << "one a second";
  leave.set_value();
  reader.join();
  EXPECT_EQ(purged.get_future().get(), "");
  EXPECT_EQ(cache->Stats().entries, 0u);
}

// Runs the disabled test of this name in namespaces of its own.
void RunWithOwnMounts(const std::string& name) {
  if (std::system("unshare -rm true 2>/dev/null") != 0) GTEST_SKIP() << "unshare -rm is not allowed here";
  const std::string self = fs::read_symlink("/proc/self/exe");
  const std::string command =
      "unshare -rm '" + self + "' --gtest_also_run_disabled_tests --gtest_filter='" + name + "'";
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << command;
}

// A small disk, as long as the object lives.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& options) {
    mounted_ = mount("none", folder_.path().c_str(), "tmpfs", 0, (options + ",mode=0700").c_str()) == 0;
    EXPECT_TRUE(mounted_) << strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) umount2(folder_.path().c_str(), MNT_DETACH);
  }
  const std::string& path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  bool mounted_ = false;
};

TEST(DiskCacheDiskTest, AReadOnlyFolderIsRefused) { RunWithOwnMounts("DiskCacheOwnMounts.DISABLED_ReadOnly"); }
TEST(DiskCacheDiskTest, ADiskThatIsFullFromTheStartIsRefused) {
  RunWithOwnMounts("DiskCacheOwnMounts.DISABLED_FullFromTheStart");
}
TEST(DiskCacheDiskTest, ADiskThatFillsUpCostsWritesOnly) { RunWithOwnMounts("DiskCacheOwnMounts.DISABLED_FillsUp"); }

TEST(DiskCacheDiskTest, ADiskWithoutRoomForARecordIsSaidOnceByItsName) {
  RunWithOwnMounts("DiskCacheOwnMounts.DISABLED_NoRoom");
}

TEST(DiskCacheOwnMounts, DISABLED_NoRoom) {
  SmallDisk disk("size=1m");
  std::mutex mutex;
  std::vector<std::string> said;
  DiskCacheOptions options = OptionsFor(disk.path(), 64u << 20);
  options.on_notice = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    said.push_back(text);
  };
  const auto cache = OpenCache(options);
  // LMDB says EIO of a write that was cut short.
  for (std::uint64_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(cache->Put(KeyOf(i), kAbout, UnixTimeNs() + 100 * kSecond, RecordOf(i, 1'000'000)));
    ASSERT_TRUE(Eventually([&] { return cache->Stats().failed >= i; }));
  }
  EXPECT_EQ(cache->Stats().last_error, "No space left on device");
  const std::lock_guard lock(mutex);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_THAT(said[0], AllOf(HasSubstr("cache.disk.directory: " + disk.path()), HasSubstr("No space left on device")));
}

TEST(DiskCacheOwnMounts, DISABLED_ReadOnly) {
  SmallDisk disk("size=4m");
  ASSERT_EQ(mount(nullptr, disk.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  ExpectRefused(disk.path(), Code::kFailedPrecondition, "Read-only file system; choose a folder");
  ExpectRefused(disk.path() + "/below", Code::kFailedPrecondition, "cannot be made: Read-only file system");
}

TEST(DiskCacheOwnMounts, DISABLED_FullFromTheStart) {
  for (int free_pages = 0; free_pages < 40; ++free_pages) {
    SmallDisk disk("size=" + std::to_string(free_pages * 4096 + 65536));
    std::ofstream(disk.path() + "/filler") << std::string(65536, 'x');
    const auto cache = DiskCache::Open(OptionsFor(disk.path()));
    if (cache.has_error()) {
      EXPECT_EQ(cache.error().code, Code::kResourceExhausted) << cache.error().message;
      EXPECT_THAT(cache.error().message, HasSubstr("make room")) << free_pages;
      EXPECT_LT(free_pages, 30);
    }
  }
}

TEST(DiskCacheOwnMounts, DISABLED_FillsUp) {
  SmallDisk disk("size=6m");
  const auto cache = OpenCache(OptionsFor(disk.path(), 64u << 20));
  std::uint64_t wrong = 0, hits = 0;
  const auto put = [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i < to; ++i) {
      cache->Put(KeyOf(i), kAbout, UnixTimeNs() + 100 * kSecond, RecordOf(i, i % 2 == 0 ? 3000 : 300));
      if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      cache->Get(KeyOf(i / 2), UnixTimeNs(), [&](std::span<const std::byte> record) {
        ++hits;
        wrong += !IsRecordOf(i / 2, record);
      });
    }
  };
  put(0, 10'000);
  // It goes on with the room that it has.
  const DiskCacheStats full = cache->Stats();
  EXPECT_TRUE(full.evictions > 0 || full.failed > 0) << "the disk did not fill up";
  std::uint64_t from = 10'000;
  EXPECT_TRUE(Eventually([&] {
    put(from, from + 100);
    from += 100;
    return cache->Stats().writes > full.writes + 300;
  })) << cache->Stats().last_error;
  ASSERT_TRUE(Drained(*cache));
  EXPECT_GT(hits, 0u);
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(cache->Stats().why_resting, "");
}

}  // namespace
}  // namespace punctual
