// A timer that any thread may set without waking the thread that waits for it: one system call on a timerfd. What an
// Asio timer would need instead is a message to its thread per look-up.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual::redis {

class Alarm {
 public:
  // kInternal: no descriptor left. `rung` runs on the context's thread, each time the alarm goes off.
  static Result<std::unique_ptr<Alarm>> Create(boost::asio::io_context& context, std::function<void()> rung);

  // Goes off once, at `when`, or at once if that has passed; what was set before is forgotten. Any thread.
  void Set(TimePoint when);
  // Context's thread: begins to listen; stops for good.
  void Listen();
  void Cancel();

 private:
  using Descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;
  Alarm(boost::asio::io_context& context, int fd, std::function<void()> rung)
      : descriptor_(context, fd), fd_(fd), rung_(std::move(rung)) {}

  Descriptor descriptor_;
  const int fd_;
  const std::function<void()> rung_;
};

}  // namespace punctual::redis
