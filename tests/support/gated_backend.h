// The backend "gated": the native one behind a gate, so that a test decides how long an inference takes; 3 ms at
// least, so that it always runs on the worker pool.
#pragma once

#include <chrono>

namespace punctual::test {

// One at a time. Open when made and when it goes. REQUIRES: the program has the backend "native".
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Inferences that begin from now on wait for Open().
  void Close();
  void Open();
  // Until an inference waits for Open(). REQUIRES: closed.
  void AwaitInference();
  // Models that are loaded from now on may be run in batches, which take as long as one question.
  void AllowBatches();
  // What each inference takes besides; 3 ms unless told.
  void SetPace(std::chrono::milliseconds pace);
};

}  // namespace punctual::test
