#include "server/http/receive.h"

#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

namespace punctual::http {

namespace {

// The kernel notes the time of day. One that says more than this, or less than nothing, was noted before the clock was
// set: it is not believed.
constexpr Duration kLongestWait = std::chrono::seconds(10);

TimePoint OnSteadyClock(const timespec& noted) {
  timespec day{};
  ::clock_gettime(CLOCK_REALTIME, &day);
  const TimePoint now = std::chrono::steady_clock::now();
  const Duration waited =
      std::chrono::seconds(day.tv_sec - noted.tv_sec) + std::chrono::nanoseconds(day.tv_nsec - noted.tv_nsec);
  return waited > Duration::zero() && waited < kLongestWait ? now - waited : now;
}

}  // namespace

void NoteArrivals(int fd) {
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

Received Receive(int fd, std::span<char> into) {
  iovec part{into.data(), into.size()};
  alignas(cmsghdr) char control[128];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = ::recvmsg(fd, &message, MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return {0, {}, errno};
  for (const cmsghdr* note = CMSG_FIRSTHDR(&message); note != nullptr;
       note = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(note))) {
    if (note->cmsg_level != SOL_SOCKET || note->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec noted{};
    std::memcpy(&noted, CMSG_DATA(note), sizeof noted);
    return {static_cast<std::size_t>(size), OnSteadyClock(noted), 0};
  }
  return {static_cast<std::size_t>(size), std::chrono::steady_clock::now(), 0};
}

}  // namespace punctual::http
