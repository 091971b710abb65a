// A run of a model that nobody waits for: an audit, a comparison, a trial. One that hangs is a fault of the model like
// any other, so that no more are begun until it returns.
#pragma once

#include <chrono>
#include <span>

#include "answer/pool_task.h"
#include "model/served_model.h"

namespace punctual {

class BackgroundRun : public PoolTask {
 public:
  void Run(std::span<const std::shared_ptr<PoolTask>>) final {
    Compute();
    run_.OnReturned(model().health());
  }
  void Drop(DropReason) final {}
  void OnHung() final { run_.OnHung(model().health(), std::chrono::steady_clock::now()); }

 protected:
  virtual void Compute() = 0;
  // That Compute runs; lives as long as this.
  virtual const ServedModel& model() const = 0;

 private:
  WatchedRun run_;
};

}  // namespace punctual
