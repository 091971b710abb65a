// How far a command with several stages is, on stderr.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>

#include "base/clock.h"
#include "load/console.h"
#include "load/text_table.h"

namespace punctual {

// On a terminal a line that is written over; else a line for each stage, with the seconds since the first.
class StageProgress {
 public:
  void Show(const std::string& stage, std::size_t done, std::size_t of) {
    std::string text = stage;
    if (of > 0) text += ": " + load::Grouped(done) + " of " + load::Grouped(of);
    if (terminal_) {
      if (!line_) line_.emplace();
      line_->Show(text);
    } else if (stage != stage_) {
      std::fprintf(stderr, "%5.1f s  %s\n", std::chrono::duration<double>(Clock::Real().Now() - begin_).count(),
                   stage.c_str());
    }
    stage_ = stage;
  }

 private:
  const TimePoint begin_ = Clock::Real().Now();
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::optional<load::ProgressLine> line_;
  std::string stage_;
};

}  // namespace punctual
