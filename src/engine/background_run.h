// A run of a model that nobody waits for: an audit, a trial. One that hangs is a fault of the model like any other, so
// that no more are begun until it returns.
#pragma once

#include <atomic>
#include <chrono>
#include <span>

#include "answer/pool_task.h"
#include "model/served_model.h"

namespace punctual {

class BackgroundRun : public PoolTask {
 public:
  void Run(std::span<const std::shared_ptr<PoolTask>>) final {
    Compute();
    if (state_.exchange(State::kReturned) == State::kHangs) model().health().OnReturned();
  }
  void Drop(DropReason) final {}
  void OnHung() final {
    model().health().OnHung(std::chrono::steady_clock::now());
    if (state_.exchange(State::kHangs) == State::kReturned) model().health().OnReturned();
  }

 protected:
  virtual void Compute() = 0;
  // That Compute runs; lives as long as this.
  virtual const ServedModel& model() const = 0;

 private:
  enum class State : std::uint8_t { kUnknown, kHangs, kReturned };
  std::atomic<State> state_ = State::kUnknown;
};

}  // namespace punctual
