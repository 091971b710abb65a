// The server's log: what it says is written by a thread of its own, so that a slow disk or a reader of the pipe who has
// stopped holds up nobody. What finds no room in the queue, or nobody to take it, is dropped and counted.
#pragma once

#include <cstdint>
#include <memory>

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace punctual {

class PipeSink;

// One at a time; dropped() is thread-safe.
class ServerLog {
 public:
  // Becomes spdlog's default logger, on standard error.
  ServerLog();
  // Writes what is queued, as far as somebody takes it, and gives the default logger back. Nobody logs meanwhile.
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  // Lines that were not written.
  std::uint64_t dropped() const;

 private:
  const std::shared_ptr<spdlog::logger> before_;
  std::shared_ptr<PipeSink> sink_;  // null on a terminal
  std::shared_ptr<spdlog::details::thread_pool> pool_;
};

}  // namespace punctual
