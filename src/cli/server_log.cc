#include "cli/server_log.h"

#include <limits.h>
#include <poll.h>
#include <spdlog/async.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <string_view>

#include "base/threads.h"

namespace punctual {

namespace {

constexpr std::size_t kQueue = 4096;  // lines
constexpr int kPatienceMs = 1000;     // for a reader who has stopped, once; he may only be slow

}  // namespace

// Standard error, where it is a pipe or a file: as long as a reader has stopped, lines are dropped. A write that blocks
// would keep the process from ending.
class PipeSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (!Write({line.data(), line.size()})) dropped_.fetch_add(1, std::memory_order_relaxed);
  }
  void flush_() override {}

  bool Write(std::string_view text) {
    while (!text.empty()) {
      pollfd room{STDERR_FILENO, POLLOUT, 0};
      if (::poll(&room, 1, patience_ms_) <= 0) {
        patience_ms_ = 0;
        return false;
      }
      patience_ms_ = kPatienceMs;
      // A pipe that has room takes so many bytes without blocking.
      const auto written = ::write(STDERR_FILENO, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
      if (written <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }

  int patience_ms_ = kPatienceMs;
  std::atomic<std::uint64_t> dropped_ = 0;
};

ServerLog::ServerLog() : before_(spdlog::default_logger()) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader who has left is no reason to end
  pool_ = std::make_shared<spdlog::details::thread_pool>(kQueue, 1, [] { NameThisThread("log"); });
  spdlog::sink_ptr to = before_->sinks().front();  // with colours
  if (::isatty(STDERR_FILENO) == 0) to = sink_ = std::make_shared<PipeSink>();
  spdlog::set_default_logger(std::make_shared<spdlog::async_logger>(before_->name(), std::move(to), pool_,
                                                                    spdlog::async_overflow_policy::overrun_oldest));
}

ServerLog::~ServerLog() { spdlog::set_default_logger(before_); }

std::uint64_t ServerLog::dropped() const {
  return pool_->overrun_counter() + (sink_ != nullptr ? sink_->dropped() : 0);
}

}  // namespace punctual
