// Several questions of a model answered at once, where that pays: found out at load, by trying. Only if the answers
// are, bit for bit, those of single runs, so that nobody can tell how he was computed.
#pragma once

#include <cstddef>
#include <memory>

#include "model/inference_cost.h"
#include "model/session_pool.h"

namespace punctual {

// Thread-safe but for Find, which comes first.
class Batches {
 public:
  static constexpr std::size_t kMost = 8;

  // Tries batches of 4 and of 8, `largest` at most, against `single`, a session of the same model, and makes `sessions`
  // of the one that pays better, if any does. What cannot be compiled or run as a batch has none. Takes some 100 ms.
  void Find(CompiledModel& compiled, Session& single, std::size_t largest, std::size_t sessions);

  // How many questions a run answers; what of it they do not fill is computed for nothing. 1: batches do not pay.
  std::size_t most() const { return most_; }
  // Sessions of most() questions each. REQUIRES: most() > 1.
  const SessionPool& sessions() const { return sessions_; }
  // Of a run.
  InferenceCost& cost() const { return *cost_; }

 private:
  std::size_t most_ = 1;
  SessionPool sessions_;
  const std::unique_ptr<InferenceCost> cost_ = std::make_unique<InferenceCost>();
};

}  // namespace punctual
