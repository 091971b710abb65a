// Damaged files, with LMDB itself: whatever was done to a file, the cache opens, works, and gives back nothing but what
// was put.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <random>
#include <sstream>

#include "cache/disk/disk_cache_under_test.h"

namespace punctual {
namespace {

using namespace test;
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr std::uint64_t kCount = 400;

class DiskCacheDamageTest : public testing::Test {
 protected:
  DiskCacheDamageTest() {
    const auto cache = OpenCache(OptionsFor(folder_.path()));
    for (std::uint64_t i = 0; i < kCount; ++i) PutSurely(*cache, i, {1, 2, 3}, Expires(i), i % 10 == 0 ? 9000 : 300);
    EXPECT_TRUE(Drained(*cache));
    for (std::uint64_t i = 0; i < kCount; i += 3) PutSurely(*cache, i, {1, 2, 3}, Expires(i), i % 5 == 0 ? 9000 : 200);
    EXPECT_TRUE(Drained(*cache));
  }
  void SetUp() override {
    std::ostringstream bytes;
    bytes << std::ifstream(data_, std::ios::binary).rdbuf();
    sound_ = bytes.str();
    ASSERT_GT(sound_.size(), 100'000u);
  }
  std::int64_t Expires(std::uint64_t i) const { return begun_ + (1000 + static_cast<std::int64_t>(i)) * kSecond; }
  void Write(const std::string& bytes) const { std::ofstream(data_, std::ios::binary | std::ios::trunc) << bytes; }

  // Opens the file as it is, uses all of the cache, and says whether the file was moved aside.
  bool Use() {
    auto opened = DiskCache::Open(OptionsFor(folder_.path()));
    if (opened.has_error()) {
      EXPECT_THAT(opened.error().message, HasSubstr("is another LMDB's"));
      return true;
    }
    DiskCache& cache = **opened;
    for (std::uint64_t i = 0; i < kCount; ++i)
      cache.Get(KeyOf(i), begun_, [&](std::span<const std::byte> record) { EXPECT_TRUE(IsRecordOf(i, record)) << i; });
    cache.ForEachNewest(std::chrono::steady_clock::now() + std::chrono::seconds(10),
                        [](const Digest& key, const Subject&, std::int64_t, std::span<const std::byte> record) {
                          std::uint64_t number = kCount;
                          if (record.size() >= 8) std::memcpy(&number, record.data(), 8);
                          EXPECT_EQ(key, KeyOf(number));
                          EXPECT_TRUE(IsRecordOf(number, record));
                          return true;
                        });
    for (std::uint64_t i = 0; i < 200; ++i) PutSurely(cache, i * 5, {2, 2, 3}, Expires(i), i % 7 == 0 ? 9000 : 300);
    cache.Purge({.model = 1});
    EXPECT_TRUE(Drained(cache));
    const DiskCacheStats stats = cache.Stats();
    EXPECT_EQ(stats.moved_aside.empty(), cache.notice().empty());
    if (stats.why_resting.empty()) {
      EXPECT_TRUE(Find(cache, KeyOf(0)).has_value()) << stats.last_error;
    }
    return !stats.moved_aside.empty();
  }

  const std::int64_t begun_ = UnixTimeNs();
  TemporaryFolder folder_;
  const std::string data_ = folder_.path() + "/data.mdb";
  std::string sound_;
};

TEST_F(DiskCacheDamageTest, ASoundFileIsNotMoved) { EXPECT_FALSE(Use()); }

TEST_F(DiskCacheDamageTest, ATruncatedFileIsMovedAsideOrWorks) {
  int moved = 0, lengths = 0;
  for (std::size_t bytes = 0; bytes < sound_.size(); bytes += 1 + sound_.size() / 60, ++lengths) {
    Write(sound_.substr(0, bytes));
    moved += Use();
  }
  EXPECT_GT(moved, lengths / 2);
}

TEST_F(DiskCacheDamageTest, ADamagedFileIsMovedAsideOneIsKeptAndItIsSaid) {
  Write("this was never an LMDB file");
  {
    const auto cache = OpenCache(OptionsFor(folder_.path()));
    const std::string moved = cache->Stats().moved_aside;
    EXPECT_THAT(moved, testing::StartsWith("data.mdb.damaged-"));
    EXPECT_TRUE(fs::exists(folder_.path() + "/" + moved));
    EXPECT_THAT(cache->notice(), HasSubstr("page 0: the file ends before it"));
    EXPECT_THAT(cache->notice(), HasSubstr(moved));
  }
  fs::create_directory(folder_.path() + "/data.mdb.damaged-1");
  Write(std::string(8192, 'x'));
  EXPECT_TRUE(Use());
  int damaged = 0;
  for (const auto& file : fs::directory_iterator(folder_.path()))
    damaged += file.path().filename().string().starts_with("data.mdb.damaged-");
  EXPECT_EQ(damaged, 1);
}

TEST_F(DiskCacheDamageTest, FlippedBitsNeverCrashNorGiveWrongBytes) {
  std::mt19937_64 random(11);
  int moved = 0;
  constexpr int kRounds = 150;
  for (int round = 0; round < kRounds; ++round) {
    std::string file = sound_;
    for (std::uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
      const std::size_t page = random() % (file.size() / 4096) * 4096;
      const std::size_t at = page + (random() % 2 == 0 ? random() % 4096 : random() % 100);
      file[at] = static_cast<char>(file[at] ^ (1 << (random() % 8)));
    }
    Write(file);
    moved += Use();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
  EXPECT_GT(moved, kRounds / 20);
}

// What a power loss leaves: some pages as they are now, others as they were before.
TEST_F(DiskCacheDamageTest, PagesFromBeforeNeverCrashNorGiveWrongBytes) {
  {
    const auto cache = OpenCache(OptionsFor(folder_.path()));
    for (std::uint64_t i = 0; i < kCount; i += 2) PutSurely(*cache, i, {1, 2, 3}, Expires(i), i % 5 == 0 ? 8000 : 250);
  }
  const std::string before = sound_;
  SetUp();
  std::mt19937_64 random(12);
  for (int round = 0; round < 100; ++round) {
    std::string file = sound_;
    const std::uint64_t old_in = 2 + random() % 20;
    for (std::size_t page = 0; page + 4096 <= std::min(file.size(), before.size()); page += 4096)
      if (random() % old_in == 0) file.replace(page, 4096, before, page, 4096);
    Write(file);
    Use();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

// LMDB itself sees it, in the middle of the work.
TEST_F(DiskCacheDamageTest, DamageWhileOpenStopsTheLayerForGood) {
  const auto cache = OpenCache(OptionsFor(folder_.path()));
  {
    std::fstream file(data_, std::ios::in | std::ios::out | std::ios::binary);
    const std::uint64_t impossible = 1u << 30;  // the page that the main tree begins with, in both meta pages
    for (const int meta : {0, 4096}) {
      file.seekp(meta + 16 + 24 + 48 + 40);
      file.write(reinterpret_cast<const char*>(&impossible), sizeof impossible);
    }
  }
  EXPECT_FALSE(Find(*cache, KeyOf(1), begun_).has_value());
  EXPECT_THAT(cache->Stats().why_resting, HasSubstr("stopped for good: MDB_PAGE_NOTFOUND"));
  EXPECT_TRUE(cache->Stats().resting);
  EXPECT_FALSE(cache->Put(KeyOf(1), {1, 2, 3}, Expires(1), "one"));
  EXPECT_EQ(cache->Stats().dropped, 1u);
  std::promise<std::uint64_t> dropped;
  ASSERT_TRUE(cache->Purge({}, [&](std::uint64_t count, const std::string&) { dropped.set_value(count); }));
  EXPECT_EQ(dropped.get_future().get(), 0u);
  cache->ForEachNewest(std::chrono::steady_clock::now() + std::chrono::seconds(1), [](auto&&...) {
    ADD_FAILURE();
    return true;
  });
}

// The structure is sound, the record is another's: LMDB would give it out.
TEST_F(DiskCacheDamageTest, ARecordThatIsNotWhatWasPutIsAMissAndIsDropped) {
  std::string file = sound_;
  const std::size_t at = file.rfind(RecordOf(1, 300).substr(50, 100));
  ASSERT_NE(at, std::string::npos);
  for (std::size_t found = 0; (found = file.find(RecordOf(1, 300).substr(50, 100), found)) != std::string::npos;)
    file[found] = static_cast<char>(file[found] + 1);
  Write(file);
  const auto cache = OpenCache(OptionsFor(folder_.path()));
  EXPECT_EQ(cache->notice(), "");
  EXPECT_FALSE(Find(*cache, KeyOf(1)).has_value());
  EXPECT_EQ(cache->Stats().damaged, 1u);
  ASSERT_TRUE(Drained(*cache));
  EXPECT_FALSE(Find(*cache, KeyOf(1)).has_value());
  EXPECT_EQ(cache->Stats().damaged, 1u);
  EXPECT_EQ(cache->Stats().entries, kCount - 1);
}

}  // namespace
}  // namespace punctual
