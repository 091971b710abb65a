// What long runs on a console need: an end on Ctrl-C that still reports, and a progress line.
#pragma once

#include <atomic>
#include <string>

namespace punctual::load {

// A flag that SIGINT and SIGTERM set. A second signal ends the program at once. Installs its handlers on the first
// call.
const std::atomic<bool>& InterruptFlag();

// Progress on stderr: one line that is written over each time on a terminal, a line every fifth call otherwise.
// Not thread-safe.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // leaves the terminal at the beginning of a line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void Show(const std::string& text);

 private:
  const bool terminal_;
  int calls_ = 0;
};

}  // namespace punctual::load
