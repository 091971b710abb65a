#include "base/epoch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <latch>
#include <thread>
#include <vector>

namespace punctual {
namespace {

std::atomic<int> alive = 0;

struct Counted {
  explicit Counted(std::uint64_t number) : value(number), twice(2 * number) { ++alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    value = 1;
    twice = 1;
    --alive;
  }
  std::uint64_t value, twice;
  EpochRetired<Counted> retired;
};

void FreeWhatCanBe(EpochLimbo<Counted>& limbo) {
  if (TryAdvanceEpoch()) TryAdvanceEpoch();
  while (limbo.TakeFree() != nullptr) {
  }
}

TEST(EpochTest, WhatNobodyReadsIsFreedAfterTwoEpochs) {
  EpochLimbo<Counted> limbo;
  limbo.Retire(new Counted(1));
  EXPECT_EQ(limbo.TakeFree(), nullptr);
  EXPECT_TRUE(TryAdvanceEpoch());
  EXPECT_EQ(limbo.TakeFree(), nullptr);
  EXPECT_TRUE(TryAdvanceEpoch());
  EXPECT_NE(limbo.TakeFree(), nullptr);
  EXPECT_EQ(limbo.TakeFree(), nullptr);
  EXPECT_EQ(alive, 0);
}

TEST(EpochTest, NothingIsFreedWhileAReaderThatCameBeforeIsThere) {
  EpochLimbo<Counted> limbo;
  {
    const EpochGuard guard;
    limbo.Retire(new Counted(1));
    for (int i = 0; i < 10; ++i) FreeWhatCanBe(limbo);
    EXPECT_EQ(alive, 1);
    { const EpochGuard nested; }
    FreeWhatCanBe(limbo);
    EXPECT_EQ(alive, 1);
  }
  FreeWhatCanBe(limbo);
  EXPECT_EQ(alive, 0);
}

TEST(EpochTest, ALimboFreesItsObjectsWithItself) {
  const EpochGuard guard;
  {
    EpochLimbo<Counted> limbo;
    for (int i = 0; i < 100; ++i) limbo.Retire(new Counted(1));
    EXPECT_FALSE(limbo.empty());
  }
  EXPECT_EQ(alive, 0);
}

TEST(EpochTest, ReadersSeeWholeObjectsThatAWriterReplaces) {
  std::atomic<Counted*> current = new Counted(0);
  std::atomic<bool> stop = false;
  std::vector<std::thread> readers;
  for (int r = 0; r < 4; ++r)
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!stop) {
        const EpochGuard guard;
        const Counted* seen = current.load();
        ASSERT_EQ(seen->twice, 2 * seen->value);
        ASSERT_GE(seen->value, last);
        last = seen->value;
      }
    });
  {
    EpochLimbo<Counted> limbo;
    for (std::uint64_t i = 1; i <= 50000; ++i) {
      limbo.Retire(current.exchange(new Counted(i)));
      limbo.TakeFree();
    }
    stop = true;
    for (auto& reader : readers) reader.join();
    FreeWhatCanBe(limbo);
    EXPECT_EQ(alive, 1);
  }
  delete current.load();
}

TEST(EpochTest, ThreadsThatCameLaterUseTheSlotsOfThoseThatEnded) {
  const std::size_t before = EpochSlotCount();
  for (int round = 0; round < 50; ++round) {
    std::latch together(4);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        const EpochGuard guard;
        together.arrive_and_wait();
      });
    for (auto& thread : threads) thread.join();
  }
  EXPECT_LE(EpochSlotCount(), before + 4);
  EXPECT_TRUE(TryAdvanceEpoch());
}

struct ReadsWhenItsThreadEnds {
  ~ReadsWhenItsThreadEnds() { const EpochGuard guard; }
};

TEST(EpochTest, AThreadMayReadWhileItEnds) {
  const std::size_t before = EpochSlotCount();
  for (int round = 0; round < 50; ++round)
    std::thread([] {
      thread_local const ReadsWhenItsThreadEnds made_before_the_slot;
      (void)&made_before_the_slot;
      const EpochGuard guard;
    }).join();
  EXPECT_LE(EpochSlotCount(), before + 1);
  EXPECT_TRUE(TryAdvanceEpoch());
}

TEST(EpochTest, AForkedChildIsNotHeldUpByThreadsThatItDoesNotHave) {
  std::latch inside(1), leave(1);
  std::thread reader([&] {
    const EpochGuard guard;
    inside.count_down();
    leave.wait();
  });
  inside.wait();
  TryAdvanceEpoch();
  EXPECT_FALSE(TryAdvanceEpoch());
  const pid_t child = fork();
  if (child == 0) _exit(TryAdvanceEpoch() && TryAdvanceEpoch() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  leave.count_down();
  reader.join();
}

}  // namespace
}  // namespace punctual
