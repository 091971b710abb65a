// The sizes in which a model answers several questions at once, where that pays: found out at load, by trying. A size
// is taken only if its answers are, bit for bit, those of single runs, so that nobody can tell how he was computed.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "model/inference_cost.h"
#include "model/session_pool.h"

namespace punctual {

// Thread-safe but for Find, which comes first.
class Batches {
 public:
  struct Size {
    std::size_t size = 0;
    SessionPool sessions;
    InferenceCost cost;
  };

  // Tries batches of 2, 4 and 8 against `single`, a session of the same model, and makes `sessions` of those that pay.
  // What cannot be compiled or run as a batch has none. Takes some 100 ms.
  void Find(CompiledModel& compiled, Session& single, std::size_t sessions);

  // The largest; 1: none pays.
  std::size_t most() const { return sizes_.empty() ? 1 : sizes_.back()->size; }
  // The one that `count` are run as, at most most(); what of it they do not fill is computed for nothing.
  // REQUIRES: 2 <= count <= most().
  Size& For(std::size_t count) const;
  const std::vector<std::unique_ptr<Size>>& sizes() const { return sizes_; }

 private:
  std::vector<std::unique_ptr<Size>> sizes_;  // rising
};

}  // namespace punctual
