// Threads of which exactly one runs at a time, so that a test decides what happens in which order: the test's own
// thread gives the turn to a strand and has it back when the strand pauses or ends. They are real threads, which pause
// anywhere in real code and which the sanitizers understand.
#pragma once

#include <sched.h>

#include <functional>
#include <memory>
#include <vector>

namespace punctual {

class Strand;

// Used by the test's thread, but for Pause. As long as they live, it and they keep to one core: the turn goes over
// several times quicker there than from core to core.
class Strands {
 public:
  Strands();
  // REQUIRES: no strand is paused.
  ~Strands();
  Strands(const Strands&) = delete;
  Strands& operator=(const Strands&) = delete;

  // Runs `work` on a strand, until it pauses (true) or ends.
  bool Start(std::function<void()> work);
  // Goes on with one that paused. True: it paused again.
  bool Resume(Strand& strand);

  // The strand that runs now; null: the test's own thread does.
  static Strand* Current();
  // Gives the turn back until Resume. REQUIRES: Current().
  static void Pause();

 private:
  cpu_set_t cores_before_{};
  std::vector<std::unique_ptr<Strand>> all_;
  std::vector<Strand*> idle_;  // threads are kept: making one costs more than most tests of an order of events
};

}  // namespace punctual
