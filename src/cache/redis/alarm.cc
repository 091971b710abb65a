#include "cache/redis/alarm.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace punctual::redis {

Result<std::unique_ptr<Alarm>> Alarm::Create(boost::asio::io_context& context, std::function<void()> rung) {
  const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return Fail(Code::kInternal, std::string("cache.redis: timerfd: ") + std::strerror(errno));
  return std::unique_ptr<Alarm>(new Alarm(context, fd, std::move(rung)));
}

void Alarm::Set(TimePoint when) {
  // std::chrono::steady_clock is CLOCK_MONOTONIC. A zero would disarm the timer.
  const std::int64_t ns = std::max<std::int64_t>(1, when.time_since_epoch().count());
  ::itimerspec at{};
  at.it_value.tv_sec = ns / 1'000'000'000;
  at.it_value.tv_nsec = ns % 1'000'000'000;
  ::timerfd_settime(fd_, TFD_TIMER_ABSTIME, &at, nullptr);
}

void Alarm::Listen() {
  descriptor_.async_wait(Descriptor::wait_read, [this](const boost::system::error_code& error) {
    if (error) return;
    std::uint64_t expirations = 0;
    if (::read(fd_, &expirations, sizeof expirations) == sizeof expirations) rung_();
    Listen();
  });
}

void Alarm::Cancel() {
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace punctual::redis
