#include "base/published.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace punctual {
namespace {

struct Pair {
  std::uint64_t value = 0;
  std::uint64_t twice = 0;
  std::shared_ptr<const std::uint64_t> shared = std::make_shared<const std::uint64_t>(0);
};

TEST(PublishedTest, ReadersSeeWholeValuesThatNeverGoBack) {
  Published<Pair> published(Pair{});
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 4; ++r)
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!stop) {
        const Pair pair = published.Get();
        ASSERT_EQ(pair.twice, 2 * pair.value);
        ASSERT_EQ(*pair.shared, pair.value);
        ASSERT_GE(pair.value, last);
        last = pair.value;
      }
    });
  for (std::uint64_t i = 1; i <= 20000; ++i) published.Set({i, 2 * i, std::make_shared<const std::uint64_t>(i)});
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(published.Get().value, 20000u);
}

TEST(PublishedTest, WhatWasReplacedIsLetGo) {
  auto first = std::make_shared<int>(1);
  Published<std::shared_ptr<int>> published(first);
  published.Set(std::make_shared<int>(2));
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(*published.Get(), 2);
}

}  // namespace
}  // namespace punctual
