#include "cache/memory_cache.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <tuple>
#include <vector>

namespace punctual {
namespace {

constexpr TimePoint kStart{std::chrono::seconds(1)};
constexpr Duration kHour = std::chrono::hours(1);

// Three floats lie inside an entry, 100 outside.
CachedAnswer Answer(float value, std::size_t floats = 3, const Subject& subject = {}) {
  const std::vector<float> values(floats, value);
  const NamedTensor output{"y", Tensor::Float32({static_cast<std::int64_t>(floats)}, values)};
  return {Outputs(std::span(&output, 1)), subject};
}

// Keys can only be made from questions; in these tests a question is a number.
CacheKey KeyOf(std::uint64_t n) {
  static const KeyMaker maker("secret");
  return maker.OfTensors(Digest{1, n}, {});
}

// What the cache has for a key: every value is the same, else -1.
std::optional<float> Find(const MemoryCache& cache, std::uint64_t key, TimePoint now = kStart) {
  CachedAnswer answer;
  if (!cache.Get(KeyOf(key), now, answer)) return std::nullopt;
  const auto values = answer.outputs[0].values<float>();
  return std::all_of(values.begin(), values.end(), [&](float v) { return v == values[0]; }) ? values[0] : -1;
}

TEST(MemoryCacheTest, GivesBackWhatWasPutLast) {
  MemoryCache cache(1 << 20);
  EXPECT_EQ(Find(cache, 1), std::nullopt);
  cache.Put(KeyOf(1), Answer(1), kStart, kHour);
  EXPECT_EQ(Find(cache, 1), 1);
  cache.Put(KeyOf(1), Answer(2, 100, {3, 4, 5}), kStart, kHour);
  EXPECT_EQ(Find(cache, 1), 2);
  EXPECT_EQ(Find(cache, 2), std::nullopt);
  EXPECT_EQ(cache.Stats().entries, 1u);
  CachedAnswer answer;
  ASSERT_TRUE(cache.Get(KeyOf(1), kStart, answer));
  EXPECT_EQ(answer.subject, (Subject{3, 4, 5}));
  EXPECT_EQ(answer.outputs, Answer(2, 100).outputs);
}

TEST(MemoryCacheTest, EntriesEndWithTheirTimeToLive) {
  MemoryCache cache(1 << 20);
  cache.Put(KeyOf(1), Answer(1), kStart, std::chrono::seconds(1));
  cache.Put(KeyOf(2), Answer(2), kStart, Duration(0));
  EXPECT_EQ(Find(cache, 1, kStart + std::chrono::milliseconds(999)), 1);
  EXPECT_EQ(Find(cache, 2), std::nullopt);
  EXPECT_EQ(Find(cache, 1, kStart + std::chrono::seconds(1)), std::nullopt);
}

TEST(MemoryCacheTest, AnEntryWhoseTimeIsOverGoesBeforeOthersHoweverOftenItWasHit) {
  MemoryCache cache(8192, 1);
  const std::size_t fit = cache.shard_capacity() / MemoryCache::Cost(Answer(0));
  cache.Put(KeyOf(0), Answer(0), kStart, std::chrono::seconds(1));
  for (std::uint64_t key = 1; key < fit; ++key) cache.Put(KeyOf(key), Answer(1), kStart, kHour);
  EXPECT_TRUE(Find(cache, 0).has_value());
  cache.Put(KeyOf(fit), Answer(1), kStart + std::chrono::seconds(2), kHour);
  EXPECT_EQ(cache.Stats().expirations, 1u);
  EXPECT_EQ(cache.Stats().evictions, 0u);
  for (std::uint64_t key = 1; key <= fit; ++key) EXPECT_TRUE(Find(cache, key).has_value()) << key;
}

TEST(MemoryCacheTest, AHandThatFindsOnlyHitEntriesStopsAfterAThousandOfThem) {
  MemoryCache cache(1 << 20, 1);
  const std::size_t fit = cache.shard_capacity() / MemoryCache::Cost(Answer(0));
  ASSERT_GT(fit, 2000u);
  for (std::uint64_t key = 0; key < fit; ++key) {
    cache.Put(KeyOf(key), Answer(1), kStart, kHour);
    ASSERT_TRUE(Find(cache, key).has_value());
  }
  cache.Put(KeyOf(fit), Answer(1), kStart, kHour);
  EXPECT_EQ(cache.Stats().evictions, 1u);
  EXPECT_EQ(Find(cache, 1024), std::nullopt);
  EXPECT_TRUE(Find(cache, 0).has_value());
  // It goes on from there.
  cache.Put(KeyOf(fit + 1), Answer(1), kStart, kHour);
  EXPECT_EQ(Find(cache, 2049), std::nullopt);
}

TEST(MemoryCacheTest, AnAnswerLargerThanItsShardIsNotKeptAndDropsTheOneBefore) {
  MemoryCache cache(4096, 1);
  cache.Put(KeyOf(1), Answer(1), kStart, kHour);
  cache.Put(KeyOf(1), Answer(1, 4096), kStart, kHour);
  EXPECT_EQ(Find(cache, 1), std::nullopt);
  EXPECT_EQ(cache.Stats().refused, 1u);
  EXPECT_EQ(cache.Stats().entries, 0u);
}

TEST(MemoryCacheTest, WithoutRoomForAnAnswerItKeepsNothing) {
  for (const std::size_t bytes : {0u, 1u, 100u}) {
    MemoryCache cache(bytes, 1);
    cache.Put(KeyOf(1), Answer(1), kStart, kHour);
    EXPECT_EQ(Find(cache, 1), std::nullopt);
    EXPECT_EQ(cache.Purge({}), 0u);
    EXPECT_EQ(cache.Stats().bytes, 0u);
  }
}

TEST(MemoryCacheTest, APurgeDropsWhatAgreesAndOnlyThat) {
  MemoryCache cache(1 << 20, 4);
  const auto fill = [&] {
    for (std::uint64_t key = 0; key < 600; ++key)
      cache.Put(KeyOf(key), Answer(1, 3, {1 + key % 2, 1 + key % 3, key % 5}), kStart, kHour);
  };
  fill();
  const std::uint64_t empty_bytes = MemoryCache(1 << 20, 4).Stats().bytes;
  EXPECT_EQ(cache.Purge({3, 0, 0}), 0u);
  EXPECT_EQ(cache.Purge({1, 0, 0}), 300u);
  EXPECT_EQ(cache.Purge({2, 1, 4}), 20u);
  for (std::uint64_t key = 0; key < 600; ++key)
    EXPECT_EQ(Find(cache, key).has_value(), key % 2 == 1 && !(key % 3 == 0 && key % 5 == 4)) << key;
  EXPECT_EQ(cache.Purge({}), 280u);
  EXPECT_EQ(cache.Stats().entries, 0u);
  EXPECT_EQ(cache.Stats().bytes, empty_bytes);
  fill();
  EXPECT_EQ(cache.Stats().entries, 600u);
}

// The cache, written plainly: a list, newest first, and a map.
class PlainCache {
 public:
  explicit PlainCache(std::size_t capacity) : capacity_(capacity) {}

  std::optional<float> Get(std::uint64_t key, TimePoint now) {
    const auto found = index_.find(key);
    if (found == index_.end() || now >= found->second->expires) return std::nullopt;
    found->second->visited = true;
    return found->second->value;
  }
  void Put(std::uint64_t key, float value, std::size_t cost, const Subject& subject, TimePoint now, Duration ttl) {
    if (const auto found = index_.find(key); found != index_.end()) {
      expirations += now >= found->second->expires;
      Remove(found->second);
    }
    if (cost > capacity_) return;
    while (bytes + cost > capacity_) {
      for (;;) {
        if (hand_ == queue_.end()) hand_ = std::prev(queue_.end());
        if (!hand_->visited || now >= hand_->expires) break;
        hand_->visited = false;
        Advance();
      }
      (now >= hand_->expires ? expirations : evictions) += 1;
      Remove(hand_);
    }
    queue_.push_front({key, value, cost, subject, now + ttl, false});
    index_[key] = queue_.begin();
    bytes += cost;
  }
  std::uint64_t Purge(const SubjectFilter& filter) {
    std::uint64_t purged = 0;
    for (auto entry = queue_.begin(); entry != queue_.end();) {
      const auto at = entry++;
      if (!filter.Matches(at->subject)) continue;
      Remove(at);
      ++purged;
    }
    return purged;
  }

  std::size_t entries() const { return queue_.size(); }
  std::size_t bytes = 0;
  std::uint64_t evictions = 0, expirations = 0;

 private:
  struct Entry {
    std::uint64_t key;
    float value;
    std::size_t cost;
    Subject subject;
    TimePoint expires;
    bool visited;
  };
  using Queue = std::list<Entry>;
  void Advance() { hand_ = hand_ == queue_.begin() ? queue_.end() : std::prev(hand_); }
  void Remove(Queue::iterator entry) {
    if (hand_ == entry) Advance();
    bytes -= entry->cost;
    index_.erase(entry->key);
    queue_.erase(entry);
  }
  const std::size_t capacity_;
  Queue queue_;
  std::map<std::uint64_t, Queue::iterator> index_;
  Queue::iterator hand_ = queue_.end();  // end: from the tail
};

// What happens (most often a get, then a put), to which key, with what size and time.
using Step = std::tuple<int, std::uint64_t, int, int>;

RC_GTEST_PROP(MemoryCacheProperty, DoesWhatThePlainCacheDoes, ()) {
  const auto steps = *rc::gen::scale(20, rc::gen::container<std::vector<Step>>(rc::gen::tuple(
                                             rc::gen::inRange(0, 100), rc::gen::inRange<std::uint64_t>(0, 40),
                                             rc::gen::inRange(0, 20), rc::gen::inRange(1, 1000))));
  constexpr std::size_t kBytes = 8192;
  MemoryCache cache(kBytes, 1);
  PlainCache plain(cache.shard_capacity());
  const std::uint64_t buckets = cache.Stats().bytes;
  TimePoint now = kStart;
  float value = 0;
  for (const auto& [what, key, size, ms] : steps) {
    if (what < 50) {
      RC_ASSERT(Find(cache, key, now) == plain.Get(key, now));
    } else if (what < 96) {
      const CachedAnswer answer = Answer(++value, size == 0 ? 3000 : size < 5 ? 100 : 3, {1 + key % 2, 1, 1 + key % 7});
      cache.Put(KeyOf(key), answer, now, std::chrono::milliseconds(ms));
      plain.Put(key, value, MemoryCache::Cost(answer), answer.subject, now, std::chrono::milliseconds(ms));
    } else if (what < 99) {
      now += std::chrono::milliseconds(size);
    } else {
      const SubjectFilter filter{key % 3, 0, 1 + key % 7};
      RC_ASSERT(cache.Purge(filter) == plain.Purge(filter));
    }
    const MemoryCacheStats stats = cache.Stats();
    RC_ASSERT(stats.entries == plain.entries());
    RC_ASSERT(stats.bytes - stats.held_bytes - buckets == plain.bytes);
    RC_ASSERT(stats.evictions == plain.evictions);
    RC_ASSERT(stats.expirations == plain.expirations);
    RC_ASSERT(stats.bytes <= kBytes);
  }
  for (std::uint64_t key = 0; key < 40; ++key) RC_ASSERT(Find(cache, key, now) == plain.Get(key, now));
}

TEST(MemoryCacheTest, NeverHoldsMoreThanItsBytes) {
  MemoryCache cache(100'000, 4);
  std::mt19937_64 random(3);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    cache.Put(KeyOf(random() % 700), Answer(1, 1 + random() % 200), kStart, kHour);
    ASSERT_LE(cache.Stats().bytes, 100'000u);
  }
  EXPECT_GT(cache.Stats().entries, 50u);
  EXPECT_EQ(cache.Stats().refused, 0u);
}

TEST(MemoryCacheTest, AReaderThatStaysCostsPutsAndNotMemory) {
  constexpr std::size_t kBytes = 200'000;
  MemoryCache cache(kBytes, 2);
  std::uint64_t key = 0;
  const auto put = [&](int count) {
    for (int i = 0; i < count; ++i) {
      ++key;
      cache.Put(KeyOf(key), Answer(static_cast<float>(key), key % 2 == 0 ? 3 : 50), kStart, kHour);
      ASSERT_LE(cache.Stats().bytes, kBytes);
    }
  };
  {
    const EpochGuard stays;
    put(5000);
    EXPECT_GT(cache.Stats().refused, 1000u);
    // What was kept before goes on answering.
    const std::uint64_t entries = cache.Stats().entries;
    EXPECT_GT(entries, 200u);
    put(5000);
    EXPECT_EQ(cache.Stats().entries, entries);
  }
  const std::uint64_t refused = cache.Stats().refused;
  put(1000);
  EXPECT_EQ(cache.Stats().refused, refused);
  EXPECT_EQ(Find(cache, key), static_cast<float>(key));
}

TEST(MemoryCacheTest, FreesWhatWaitsToBeFreedWithItself) {  // for the leak checker
  const EpochGuard another_structures_reader;
  MemoryCache cache(100'000, 1);
  for (std::uint64_t key = 0; key < 2000; ++key) cache.Put(KeyOf(key % 500), Answer(1, 100), kStart, kHour);
  EXPECT_GT(cache.Stats().held_bytes, 0u);
  EXPECT_GT(cache.Stats().entries, 0u);
}

TEST(MemoryCacheTest, ReadersNeverMissAKeyThatIsBeingReplaced) {
  MemoryCache cache(std::size_t{64} << 20, 1);
  cache.Put(KeyOf(1), Answer(0), kStart, kHour);
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r)
    readers.emplace_back([&] {
      float last = 0;
      while (!stop) {
        const auto value = Find(cache, 1);
        ASSERT_TRUE(value.has_value());
        ASSERT_GE(*value, last);
        last = *value;
      }
    });
  for (int i = 1; i <= 20000; ++i)
    cache.Put(KeyOf(1), Answer(static_cast<float>(i), i % 3 == 0 ? 100 : 3), kStart, kHour);
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(Find(cache, 1), 20000);
}

TEST(MemoryCacheTest, ManyThreadsSeeOnlyWholeAnswersOfTheirKey) {
  constexpr std::size_t kBytes = 100'000;
  MemoryCache cache(kBytes, 4);
  std::atomic<std::uint64_t> hits = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 10000; ++i) {
        const std::uint64_t key = random() % 300, what = random() % 1000;
        const TimePoint now = kStart + i * std::chrono::milliseconds(1);
        if (what < 400) {
          const CachedAnswer answer = Answer(static_cast<float>(key), what % 4 == 0 ? 100 : 3, {1 + key % 10, 1, 1});
          cache.Put(KeyOf(key), answer, now, std::chrono::milliseconds(1 + random() % 1000));
        } else if (what == 400) {
          cache.Purge({1 + key % 10, 0, 0});
        } else if (what == 401) {
          ASSERT_LE(cache.Stats().bytes, kBytes);
        } else if (const auto value = Find(cache, key, now)) {
          ASSERT_EQ(*value, static_cast<float>(key));
          ++hits;
        }
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_GT(hits, 1000u);
  EXPECT_GT(cache.Stats().evictions, 0u);
}

}  // namespace
}  // namespace punctual
