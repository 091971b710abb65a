#include "answer/worker_pool.h"

#include <gtest/gtest.h>

#include <future>

namespace punctual {
namespace {

TimePoint At(int ms) { return TimePoint(std::chrono::milliseconds(ms)); }

// Holds the pool's only worker until it is let go.
class Hold {
 public:
  explicit Hold(WorkerPool& pool) {
    // Shared: the worker may still be inside set_value when we have seen its value.
    auto begun = std::make_shared<std::promise<void>>();
    pool.Submit(At(0), [begun, go = go_.get_future().share()] {
      begun->set_value();
      go.wait();
    });
    begun->get_future().wait();
  }
  void LetGo() { go_.set_value(); }

 private:
  std::promise<void> go_;
};

TEST(WorkerPoolTest, RunsTheEarliestDeadlineFirst) {
  std::vector<int> order;
  {
    WorkerPool pool(1, 100);
    Hold hold(pool);
    for (const int ms : {50, 15, 25, 15, 50}) EXPECT_TRUE(pool.Submit(At(ms), [&order, ms] { order.push_back(ms); }));
    EXPECT_EQ(pool.queued(), 5u);
    hold.LetGo();
  }
  EXPECT_EQ(order, (std::vector<int>{15, 15, 25, 50, 50}));
}

TEST(WorkerPoolTest, EqualDeadlinesAreServedInTheirOrder) {
  std::vector<int> order;
  {
    WorkerPool pool(1, 100);
    Hold hold(pool);
    for (int i = 0; i < 20; ++i) pool.Submit(At(15), [&order, i] { order.push_back(i); });
    hold.LetGo();
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(WorkerPoolTest, AFullQueueRefuses) {
  WorkerPool pool(1, 2);
  Hold hold(pool);
  EXPECT_TRUE(pool.Submit(At(1), [] {}));
  EXPECT_TRUE(pool.Submit(At(1), [] {}));
  EXPECT_FALSE(pool.Submit(At(1), [] {}));
  hold.LetGo();
}

TEST(WorkerPoolTest, MeasuresWhatAHandOverCosts) {
  WorkerPool pool(2, 10);
  EXPECT_GT(pool.MeasureHandOver(), Duration::zero());
}

}  // namespace
}  // namespace punctual
