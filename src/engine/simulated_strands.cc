#include "engine/simulated_strands.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/threads.h"

namespace punctual {

class Strand {
 public:
  Strand() : thread_([this] { Loop(); }) {}
  ~Strand() {
    work_ = nullptr;
    Hand(Turn::kStrand, Turn::kTest);
    thread_.join();
  }

  void Begin(std::function<void()> work) { work_ = std::move(work); }
  // True: paused, and not at its end.
  bool Run() {
    Hand(Turn::kStrand, Turn::kTest);
    return work_ != nullptr;
  }
  void Pause() { Hand(Turn::kTest, Turn::kStrand); }

 private:
  enum class Turn { kTest, kStrand };
  // Gives the turn to `to`, and waits until it is `mine`.
  void Hand(Turn to, Turn mine) {
    Give(to);
    Await(mine);
  }
  void Give(Turn to) {
    {
      const std::lock_guard lock(mutex_);
      turn_ = to;
    }
    changed_.notify_one();
  }
  void Await(Turn mine) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == mine; });
  }
  void Loop();

  // Not base/mutex.h's: its CondVar takes a lock more, and the turn goes over a hundred thousand times.
  std::mutex mutex_;
  std::condition_variable changed_;
  Turn turn_ = Turn::kTest;
  std::function<void()> work_;  // of whoever has the turn
  std::thread thread_;
};

namespace {

thread_local Strand* current = nullptr;

}  // namespace

void Strand::Loop() {
  current = this;
  Await(Turn::kStrand);
  while (work_ != nullptr) {
    work_();
    work_ = nullptr;
    Hand(Turn::kTest, Turn::kStrand);
  }
  Give(Turn::kTest);
}

Strands::Strands() {
  sched_getaffinity(0, sizeof cores_before_, &cores_before_);
  const int core = sched_getcpu();
  PinThisThread(std::span(&core, 1));
}

Strands::~Strands() { sched_setaffinity(0, sizeof cores_before_, &cores_before_); }

bool Strands::Start(std::function<void()> work) {
  if (idle_.empty()) {
    all_.push_back(std::make_unique<Strand>());
    idle_.push_back(all_.back().get());
  }
  Strand& strand = *idle_.back();
  idle_.pop_back();
  strand.Begin(std::move(work));
  return Resume(strand);
}

bool Strands::Resume(Strand& strand) {
  if (strand.Run()) return true;
  idle_.push_back(&strand);
  return false;
}

Strand* Strands::Current() { return current; }

void Strands::Pause() { current->Pause(); }

}  // namespace punctual
