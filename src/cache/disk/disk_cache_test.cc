#include "cache/disk/disk_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <random>
#include <set>

#include "cache/disk/disk_cache_under_test.h"

namespace punctual {
namespace {

using namespace test;
using std::chrono::seconds;

constexpr Subject kAbout{1, 2, 3};

std::int64_t In(std::int64_t seconds_from_now) { return UnixTimeNs() + seconds_from_now * kSecond; }

class DiskCacheTest : public testing::Test {
 protected:
  std::unique_ptr<DiskCache> Open(std::size_t bytes = 8u << 20) { return OpenCache(OptionsFor(folder_.path(), bytes)); }
  TemporaryFolder folder_;
};

TEST_F(DiskCacheTest, FindsWhatWasPutOfEverySize) {
  const auto cache = Open();
  const std::size_t sizes[] = {8, 100, 1900, 2000, 2100, 4000, 4096, 10'000, 100'000};
  for (const std::size_t size : sizes) ASSERT_TRUE(cache->Put(KeyOf(size), kAbout, In(100), RecordOf(size, size)));
  ASSERT_TRUE(cache->Put(KeyOf(0), kAbout, In(100), ""));
  ASSERT_TRUE(Drained(*cache));
  for (const std::size_t size : sizes) EXPECT_EQ(Find(*cache, KeyOf(size)), RecordOf(size, size)) << size;
  EXPECT_EQ(Find(*cache, KeyOf(0)), "");
  EXPECT_EQ(Find(*cache, KeyOf(1)), std::nullopt);
  const DiskCacheStats stats = cache->Stats();
  EXPECT_EQ(stats.entries, std::size(sizes) + 1);
  EXPECT_EQ(stats.writes, std::size(sizes) + 1);
  EXPECT_GT(stats.bytes, 100'000u);
}

TEST_F(DiskCacheTest, SurvivesARestartAndTheDestructorWritesWhatIsQueued) {
  {
    const auto cache = Open();
    for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(cache->Put(KeyOf(i), kAbout, In(100), RecordOf(i, 300)));
  }
  const auto cache = Open();
  EXPECT_EQ(cache->notice(), "");
  EXPECT_EQ(cache->Stats().entries, 1000u);
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(Find(*cache, KeyOf(i)), RecordOf(i, 300)) << i;
}

TEST_F(DiskCacheTest, WhatExpiredIsNotFoundAndIsDropped) {
  const auto cache = Open();
  const std::int64_t soon = UnixTimeNs() + kSecond / 2;
  ASSERT_TRUE(cache->Put(KeyOf(1), kAbout, soon, RecordOf(1, 50)));
  ASSERT_TRUE(cache->Put(KeyOf(2), kAbout, In(100), RecordOf(2, 50)));
  ASSERT_TRUE(Drained(*cache));
  EXPECT_TRUE(Find(*cache, KeyOf(1), soon - 1).has_value());
  EXPECT_FALSE(Find(*cache, KeyOf(1), soon).has_value());
  EXPECT_TRUE(Eventually([&] { return cache->Stats().expirations == 1; }));
  EXPECT_EQ(cache->Stats().entries, 1u);
  EXPECT_TRUE(Find(*cache, KeyOf(2)).has_value());
}

// Written while the clock was ahead by days, then set right.
TEST_F(DiskCacheTest, WhatExpiresLaterThanAnythingCouldIsNotFoundAndIsDropped) {
  const auto cache = Open();
  ASSERT_TRUE(cache->Put(KeyOf(1), kAbout, In(300 + 8 * 86400), RecordOf(1, 50)));
  ASSERT_TRUE(cache->Put(KeyOf(2), kAbout, In(300), RecordOf(2, 50)));
  ASSERT_TRUE(Drained(*cache));
  EXPECT_TRUE(Find(*cache, KeyOf(1)).has_value()) << "nobody said how long anything may be kept";
  cache->SetLongestTtl(seconds(300));
  EXPECT_FALSE(Find(*cache, KeyOf(1)).has_value());
  EXPECT_TRUE(Find(*cache, KeyOf(2)).has_value());
  std::vector<Digest> newest;
  cache->ForEachNewest(TimePoint::max(), [&](const Digest& key, const Subject&, std::int64_t, auto) {
    newest.push_back(key);
    return true;
  });
  EXPECT_EQ(newest, std::vector{KeyOf(2)});
  EXPECT_TRUE(Eventually([&] { return cache->Stats().expirations == 1; }));
  EXPECT_EQ(cache->Stats().entries, 1u);
  EXPECT_TRUE(Find(*cache, KeyOf(2)).has_value());
}

TEST_F(DiskCacheTest, ALayerFullOfSuchRecordsTakesNewOnesInTheirPlace) {
  constexpr std::uint64_t kCount = 3000;
  {
    const auto cache = Open(4u << 20);
    for (std::uint64_t i = 0; i < kCount; ++i) PutSurely(*cache, i, kAbout, In(86400), 1000);
    ASSERT_TRUE(Drained(*cache));
    ASSERT_GT(cache->Stats().evictions, 0u) << "it is full";
  }
  const auto cache = Open(4u << 20);
  cache->SetLongestTtl(seconds(300));
  for (std::uint64_t i = kCount; i < kCount + 1000; ++i) PutSurely(*cache, i, kAbout, In(300), 1000);
  ASSERT_TRUE(Drained(*cache));
  for (std::uint64_t i = kCount; i < kCount + 1000; ++i) ASSERT_TRUE(Find(*cache, KeyOf(i)).has_value()) << i;
  EXPECT_TRUE(Eventually([&] { return cache->Stats().entries == 1000; }));
}

TEST_F(DiskCacheTest, PutReplacesRecordAndExpiry) {
  const auto cache = Open();
  ASSERT_TRUE(cache->Put(KeyOf(1), kAbout, UnixTimeNs() + kSecond / 2, "old"));
  ASSERT_TRUE(cache->Put(KeyOf(1), kAbout, In(100), "new"));
  ASSERT_TRUE(cache->Put(KeyOf(2), kAbout, UnixTimeNs() + kSecond / 2, "other"));
  ASSERT_TRUE(Drained(*cache));
  EXPECT_EQ(Find(*cache, KeyOf(1)), "new");
  EXPECT_EQ(cache->Stats().entries, 2u);
  ASSERT_TRUE(Eventually([&] { return cache->Stats().expirations == 1; }));
  EXPECT_EQ(Find(*cache, KeyOf(1)), "new");  // its first expiry is forgotten
}

TEST_F(DiskCacheTest, RemoveDropsInTheBackground) {
  const auto cache = Open();
  ASSERT_TRUE(cache->Put(KeyOf(1), kAbout, In(100), "one"));
  cache->Remove(KeyOf(1));
  cache->Remove(KeyOf(2));
  ASSERT_TRUE(Drained(*cache));
  EXPECT_FALSE(Find(*cache, KeyOf(1)).has_value());
  EXPECT_EQ(cache->Stats().entries, 0u);
}

// Small records share pages, large ones have their own: both ways the file must never fill up.
TEST_F(DiskCacheTest, EvictionKeepsBelowTheBoundSoonestFirst) {
  for (const std::size_t size : {200u, 1000u, 5000u}) {
    SCOPED_TRACE(size);
    TemporaryFolder folder;
    const auto cache = OpenCache(OptionsFor(folder.path(), 4u << 20));
    const std::uint64_t count = (16u << 20) / size;
    const std::int64_t begin = In(100);
    for (std::uint64_t i = 0; i < count; ++i) PutSurely(*cache, i, kAbout, begin + static_cast<std::int64_t>(i), size);
    ASSERT_TRUE(Drained(*cache));
    const DiskCacheStats stats = cache->Stats();
    EXPECT_EQ(stats.failed, 0u) << stats.last_error;
    EXPECT_EQ(stats.writes, count);
    EXPECT_EQ(stats.entries + stats.evictions, count);
    EXPECT_LT(stats.bytes, stats.bound_bytes / 100 * 92);
    EXPECT_GT(stats.entries * size, stats.bound_bytes / 5);
    EXPECT_LE(std::filesystem::file_size(folder.path() + "/data.mdb"), stats.bound_bytes);
    EXPECT_FALSE(Find(*cache, KeyOf(0)).has_value());
    EXPECT_TRUE(Find(*cache, KeyOf(count - 1)).has_value());
  }
}

TEST_F(DiskCacheTest, RecordsOfAllSizesNeverFillTheMap) {
  for (const std::size_t bytes : {4u << 20, 8u << 20}) {
    SCOPED_TRACE(bytes);
    TemporaryFolder folder;
    const auto cache = OpenCache(OptionsFor(folder.path(), bytes));
    std::mt19937_64 random(bytes);
    for (std::uint64_t i = 0; i < 10'000; ++i) {
      const std::size_t size = std::size_t{8} << (random() % 11);  // up to 8 KiB
      PutSurely(*cache, random() % 8000, kAbout, In(10 + static_cast<std::int64_t>(random() % 100)), size);
    }
    ASSERT_TRUE(Drained(*cache));
    EXPECT_EQ(cache->Stats().failed, 0u) << cache->Stats().last_error;
    EXPECT_GT(cache->Stats().evictions, 0u);
  }
}

TEST_F(DiskCacheTest, WhatDoesNotFitInTheQueueIsDroppedAndCounted) {
  DiskCacheOptions options = OptionsFor(folder_.path());
  options.queue = 10;
  const auto cache = OpenCache(options);
  // A thread that is just waiting for company takes none of these.
  std::uint64_t taken = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) taken += cache->Put(KeyOf(i), kAbout, In(100), RecordOf(i, 100));
  EXPECT_LT(taken, 1000u);
  EXPECT_GE(taken, 10u);
  EXPECT_EQ(cache->Stats().dropped, 1000 - taken);
  ASSERT_TRUE(Drained(*cache));
  EXPECT_EQ(cache->Stats().writes, taken);
}

TEST_F(DiskCacheTest, TheQueueIsBoundedByBytesToo) {
  DiskCacheOptions options = OptionsFor(folder_.path());
  options.queue_bytes = 1000;
  const auto cache = OpenCache(options);
  EXPECT_FALSE(cache->Put(KeyOf(1), kAbout, In(100), RecordOf(1, 1001)));
  EXPECT_TRUE(cache->Put(KeyOf(1), kAbout, In(100), RecordOf(1, 1000)));
}

TEST_F(DiskCacheTest, ARecordTooLargeForTheBoundIsDropped) {
  const auto cache = Open(4u << 20);
  EXPECT_FALSE(cache->Put(KeyOf(1), kAbout, In(100), RecordOf(1, (4u << 20) / 64 + 1)));
  EXPECT_TRUE(cache->Put(KeyOf(2), kAbout, In(100), RecordOf(2, (4u << 20) / 64)));
  ASSERT_TRUE(Drained(*cache));
  EXPECT_EQ(cache->Stats().dropped, 1u);
  EXPECT_TRUE(Find(*cache, KeyOf(2)).has_value());
}

class DiskCachePurgeTest : public DiskCacheTest {
 protected:
  static constexpr std::uint64_t kCount = 3000;
  static Subject About(std::uint64_t i) { return {1 + i % 2, 1 + i % 3, i % 5}; }

  std::uint64_t Purge(DiskCache& cache, const SubjectFilter& filter) {
    std::promise<std::uint64_t> dropped;
    EXPECT_TRUE(cache.Purge(filter, [&](std::uint64_t count, const std::string&) { dropped.set_value(count); }));
    return dropped.get_future().get();
  }
  // That exactly those that match went.
  void ExpectPurged(const SubjectFilter& filter) {
    const auto cache = Open();
    for (std::uint64_t i = 0; i < kCount; ++i) PutSurely(*cache, i, About(i), In(100), 100);
    std::uint64_t matching = 0;
    for (std::uint64_t i = 0; i < kCount; ++i) matching += filter.Matches(About(i));
    EXPECT_EQ(Purge(*cache, filter), matching);  // what was queued before is purged too
    EXPECT_EQ(cache->Stats().entries, kCount - matching);
    for (std::uint64_t i = 0; i < kCount; ++i)
      ASSERT_EQ(Find(*cache, KeyOf(i)).has_value(), !filter.Matches(About(i))) << i;
  }
};

TEST_F(DiskCachePurgeTest, DropsAModel) { ExpectPurged({.model = 2}); }
TEST_F(DiskCachePurgeTest, DropsAVersion) { ExpectPurged({.version = 3}); }
TEST_F(DiskCachePurgeTest, DropsASymbol) { ExpectPurged({.symbol = 4}); }
TEST_F(DiskCachePurgeTest, DropsWhatMatchesInAllParts) { ExpectPurged({.model = 1, .version = 1, .symbol = 1}); }
TEST_F(DiskCachePurgeTest, DropsAll) { ExpectPurged({}); }

TEST_F(DiskCachePurgeTest, IsToldAtTheLatestWhenTheCacheGoes) {
  std::atomic<int> told = 0;
  {
    const auto cache = Open();
    for (std::uint64_t i = 0; i < 100; ++i) PutSurely(*cache, i, About(i), In(100), 100);
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(cache->Purge({.model = 1}, [&](std::uint64_t, const std::string&) { ++told; }));
  }
  EXPECT_EQ(told, 10);
}

TEST_F(DiskCacheTest, WalksFromTheNewestOn) {
  const auto cache = Open();
  constexpr std::uint64_t kCount = 1000;  // several snapshots
  const std::int64_t begin = In(100);
  for (std::uint64_t i = 0; i < kCount; ++i)
    PutSurely(*cache, i, {i, 1, 2}, begin + static_cast<std::int64_t>(i) * 1000, 100);
  PutSurely(*cache, kCount, kAbout, UnixTimeNs() - kSecond, 100);  // expired
  ASSERT_TRUE(Drained(*cache));
  std::uint64_t next = kCount;
  const TimePoint later = std::chrono::steady_clock::now() + seconds(100);
  cache->ForEachNewest(later, [&](const Digest& key, const Subject& about, std::int64_t expires, auto record) {
    --next;
    EXPECT_EQ(key, KeyOf(next));
    EXPECT_EQ(about, (Subject{next, 1, 2}));
    EXPECT_EQ(expires, begin + static_cast<std::int64_t>(next) * 1000);
    EXPECT_TRUE(IsRecordOf(next, record));
    return true;
  });
  EXPECT_EQ(next, 0u);

  int visits = 0;
  cache->ForEachNewest(later, [&](auto&&...) { return ++visits < 3; });
  EXPECT_EQ(visits, 3);
  cache->ForEachNewest(std::chrono::steady_clock::now(), [&](auto&&...) { return ++visits < 100; });
  EXPECT_EQ(visits, 3);
}

TEST_F(DiskCacheTest, OpeningTwiceInOneProcessIsRefused) {
  const auto cache = Open();
  const auto second = DiskCache::Open(OptionsFor(folder_.path() + "/."));
  ASSERT_TRUE(second.has_error());
  EXPECT_THAT(second.error().message, testing::HasSubstr("is open in this process already"));
  EXPECT_EQ(second.error().code, Code::kFailedPrecondition);
}

TEST_F(DiskCacheTest, RestsAfterASlowLookUp) {
  DiskCacheOptions options = OptionsFor(folder_.path());
  options.slow_look_up = Duration(0);
  const auto cache = OpenCache(options);
  ASSERT_TRUE(cache->Put(KeyOf(1), kAbout, In(100), "one"));
  ASSERT_TRUE(Drained(*cache));
  EXPECT_TRUE(Find(*cache, KeyOf(1)).has_value());
  EXPECT_FALSE(Find(*cache, KeyOf(1)).has_value());
  const DiskCacheStats stats = cache->Stats();
  EXPECT_TRUE(stats.resting);
  EXPECT_EQ(stats.slow_look_ups, 1u);
  EXPECT_NE(stats.why_resting, "");
  EXPECT_TRUE(Eventually([&] { return Find(*cache, KeyOf(1)).has_value(); }));  // the probe
}

TEST_F(DiskCacheTest, ManyThreadsReadWhatOneWrites) {
  const auto cache = Open(16u << 20);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> hits = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t)
    readers.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      while (!stop) {
        const std::uint64_t number = random() % 12'000;
        cache->Get(KeyOf(number), UnixTimeNs(), [&](std::span<const std::byte> record) {
          ++hits;
          EXPECT_TRUE(IsRecordOf(number, record));
        });
        if (random() % 1000 == 0)
          cache->ForEachNewest(std::chrono::steady_clock::now() + seconds(1),
                               [left = 20](auto&&...) mutable { return --left > 0; });
      }
    });
  for (std::uint64_t i = 0; i < 30'000; ++i) PutSurely(*cache, i % 12'000, kAbout, In(100), 100 + i % 3000);
  ASSERT_TRUE(Drained(*cache));
  ASSERT_TRUE(Eventually([&] { return hits > 0; }));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(cache->Stats().failed, 0u) << cache->Stats().last_error;
  EXPECT_GT(cache->Stats().evictions, 0u);
  EXPECT_EQ(cache->Stats().damaged, 0u);
}

// Against a map, where nothing is evicted: puts, replacements, removals, purges, restarts.
TEST_F(DiskCacheTest, BehavesLikeAMap) {
  struct Kept {
    Subject about;
    std::string record;
    std::int64_t expires;
  };
  std::map<std::uint64_t, Kept> model;
  std::mt19937_64 random(7);
  auto cache = Open();
  for (int step = 0; step < 4000; ++step) {
    const std::uint64_t number = random() % 300;
    const int what = static_cast<int>(random() % 100);
    if (what < 75) {
      const Subject about{1 + random() % 3, 1 + random() % 3, random() % 3};
      const std::int64_t expires = In(100 + static_cast<std::int64_t>(random() % 100));
      const std::size_t size = random() % 5000;
      model[number] = {about, RecordOf(number, size), expires};
      PutSurely(*cache, number, about, expires, size);
    } else if (what < 97) {
      model.erase(number);
      ASSERT_TRUE(Drained(*cache));
      cache->Remove(KeyOf(number));
    } else if (what < 99) {
      const SubjectFilter filter{random() % 4, random() % 4, 1 + random() % 3};
      std::erase_if(model, [&](const auto& entry) { return filter.Matches(entry.second.about); });
      std::promise<void> done;
      ASSERT_TRUE(cache->Purge(filter, [&](std::uint64_t, const std::string&) { done.set_value(); }));
      done.get_future().wait();
    } else {
      cache.reset();
      cache = Open();
      ASSERT_EQ(cache->notice(), "");  // what LMDB writes passes the check
    }
    if (step % 100 != 99) continue;
    ASSERT_TRUE(Drained(*cache));
    for (std::uint64_t i = 0; i < 300; ++i) {
      const auto kept = model.find(i);
      ASSERT_EQ(Find(*cache, KeyOf(i)), kept == model.end() ? std::nullopt : std::optional(kept->second.record)) << i;
    }
    ASSERT_EQ(cache->Stats().entries, model.size());
    std::size_t walked = 0;
    cache->ForEachNewest(std::chrono::steady_clock::now() + seconds(10), [&](auto&&...) { return ++walked != 0; });
    ASSERT_EQ(walked, model.size());
  }
}

TEST_F(DiskCacheTest, RefusesOptionsThatCannotWork) {
  for (const auto& [change, name] : std::initializer_list<std::pair<void (*)(DiskCacheOptions&), const char*>>{
           {[](DiskCacheOptions& o) { o.bytes = 1000; }, "cache.disk.bytes"},
           {[](DiskCacheOptions& o) { o.bytes = std::size_t{2} << 40; }, "cache.disk.bytes"},
           {[](DiskCacheOptions& o) { o.queue = 0; }, "cache.disk.queue"},
           {[](DiskCacheOptions& o) { o.directory = ""; }, "cache.disk.directory"}}) {
    DiskCacheOptions options = OptionsFor(folder_.path());
    change(options);
    const auto cache = DiskCache::Open(options);
    ASSERT_TRUE(cache.has_error());
    EXPECT_EQ(cache.error().code, Code::kInvalidArgument);
    EXPECT_THAT(cache.error().message, testing::HasSubstr(name));
  }
}

}  // namespace
}  // namespace punctual
