#include "cache/memory_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <thread>

namespace punctual {
namespace {

CachedAnswer Answer(float value, std::size_t floats = 3) {
  std::vector<float> values(floats, value);
  auto outputs = std::make_shared<std::vector<NamedTensor>>();
  outputs->push_back({"y", Tensor::Float32({static_cast<std::int64_t>(floats)}, values)});
  return {std::move(outputs), std::make_shared<const ModelIdentity>()};
}

float ValueOf(const CachedAnswer& answer) { return answer.outputs->at(0).tensor.values<float>()[0]; }

// Keys can only be made from questions; in these tests a question is a number.
class Keys {
 public:
  CacheKey operator()(std::uint64_t n) const {
    NamedTensor question{"n", Tensor(DType::kInt64, {1})};
    question.tensor.mutable_values<std::int64_t>()[0] = static_cast<std::int64_t>(n);
    return maker_.OfTensors(Digest{1, 2}, std::span(&question, 1));
  }

 private:
  KeyMaker maker_{"secret"};
};

const Keys KeyOf;

TEST(MemoryCacheTest, GivesBackWhatWasPut) {
  FakeClock clock;
  MemoryCache cache(1 << 20, clock);
  EXPECT_FALSE(cache.Get(KeyOf(1)).has_value());
  cache.Put(KeyOf(1), Answer(1), std::chrono::seconds(1));
  cache.Put(KeyOf(1), Answer(2), std::chrono::seconds(1));
  EXPECT_EQ(ValueOf(*cache.Get(KeyOf(1))), 2);
  EXPECT_EQ(cache.Stats().entries, 1u);
  EXPECT_EQ(cache.Stats().hits, 1u);
  EXPECT_EQ(cache.Stats().misses, 1u);
}

TEST(MemoryCacheTest, EntriesEndWithTheirTimeToLive) {
  FakeClock clock;
  MemoryCache cache(1 << 20, clock);
  cache.Put(KeyOf(1), Answer(1), std::chrono::seconds(1));
  cache.Put(KeyOf(2), Answer(2), Duration(0));
  clock.Advance(std::chrono::milliseconds(999));
  EXPECT_TRUE(cache.Get(KeyOf(1)).has_value());
  EXPECT_FALSE(cache.Get(KeyOf(2)).has_value());
  clock.Advance(std::chrono::milliseconds(1));
  EXPECT_FALSE(cache.Get(KeyOf(1)).has_value());
  EXPECT_EQ(cache.Stats().bytes, 0u);
}

TEST(MemoryCacheTest, AnAnswerLargerThanItsShardIsNotKept) {
  FakeClock clock;
  MemoryCache cache(4096, clock, 1);
  cache.Put(KeyOf(1), Answer(1, 4096), std::chrono::seconds(1));
  EXPECT_FALSE(cache.Get(KeyOf(1)).has_value());
}

// The policy, written plainly: a deque, newest first, and an index for the hand.
class PlainSieve {
 public:
  explicit PlainSieve(std::size_t capacity) : capacity_(capacity) {}
  bool Get(std::uint64_t key) {
    for (auto& entry : queue_)
      if (entry.key == key) return entry.visited = true;
    return false;
  }
  void Put(std::uint64_t key) {
    for (std::size_t i = 0; i < queue_.size(); ++i)
      if (queue_[i].key == key) Remove(i);
    while (queue_.size() >= capacity_) {
      std::size_t at = hand_ < 0 ? queue_.size() - 1 : static_cast<std::size_t>(hand_);
      while (queue_[at].visited) {
        queue_[at].visited = false;
        at = at == 0 ? queue_.size() - 1 : at - 1;
      }
      hand_ = static_cast<long>(at);
      Remove(at);
    }
    queue_.push_front({key, false});
    if (hand_ >= 0) ++hand_;
  }

 private:
  struct Entry {
    std::uint64_t key;
    bool visited;
  };
  void Remove(std::size_t at) {
    queue_.erase(queue_.begin() + static_cast<long>(at));
    if (hand_ >= static_cast<long>(at)) --hand_;  // at the hand itself: on to the next newer; -1: from the tail again
  }
  std::size_t capacity_;
  std::deque<Entry> queue_;
  long hand_ = -1;
};

TEST(MemoryCacheTest, EvictsAsAPlainSieveDoes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    FakeClock clock;
    constexpr std::size_t kCapacity = 16;
    MemoryCache cache(kCapacity * MemoryCache::Cost(Answer(0)), clock, 1);
    PlainSieve plain(kCapacity);
    std::mt19937_64 random(seed);
    for (int step = 0; step < 5000; ++step) {
      // Squaring makes small keys popular.
      const std::uint64_t draw = random() % 100, key = draw * draw / 150;
      if (random() % 3 == 0) {
        cache.Put(KeyOf(key), Answer(static_cast<float>(key)), std::chrono::hours(1));
        plain.Put(key);
      } else {
        const auto answer = cache.Get(KeyOf(key));
        ASSERT_EQ(answer.has_value(), plain.Get(key)) << "seed " << seed << " step " << step;
        if (answer) {
          ASSERT_EQ(ValueOf(*answer), static_cast<float>(key));
        }
      }
    }
    EXPECT_GT(cache.Stats().evictions, 0u);
  }
}

TEST(MemoryCacheTest, NeverHoldsMoreThanItsBytes) {
  FakeClock clock;
  MemoryCache cache(100'000, clock, 4);
  std::mt19937_64 random(3);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    cache.Put(KeyOf(random() % 700), Answer(1, 1 + random() % 200), std::chrono::hours(1));
    ASSERT_LE(cache.Stats().bytes, 100'000u);
  }
  EXPECT_GT(cache.Stats().entries, 50u);
}

TEST(MemoryCacheTest, ManyThreadsSeeOnlyWholeAnswersOfTheirKey) {
  MemoryCache cache(64 * MemoryCache::Cost(Answer(0)), Clock::Real(), 4);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 5000; ++i) {
        const std::uint64_t key = random() % 100;
        if (random() % 2 == 0) {
          cache.Put(KeyOf(key), Answer(static_cast<float>(key)), std::chrono::hours(1));
        } else if (const auto answer = cache.Get(KeyOf(key))) {
          ASSERT_EQ(ValueOf(*answer), static_cast<float>(key));
        }
      }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace punctual
