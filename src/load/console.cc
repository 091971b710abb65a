#include "load/console.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>

namespace punctual::load {

namespace {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler may touch nothing else

}  // namespace

const std::atomic<bool>& InterruptFlag() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = SA_RESETHAND;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  return interrupted;
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (terminal_ && calls_ > 0) std::fputs("\r\033[K", stderr);
}

void ProgressLine::Show(const std::string& text) {
  ++calls_;
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
  } else if (calls_ % 5 == 0) {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
}

}  // namespace punctual::load
