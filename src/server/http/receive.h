// Receiving from a socket, with the time at which the bytes came: a request's time counts from there, also while it
// waits in the kernel because this machine has too much to do.
#pragma once

#include <cstddef>
#include <span>

#include "punctual/prediction.h"

namespace punctual::http {

struct Received {
  std::size_t size = 0;  // 0 without an error: the peer sends no more
  TimePoint arrival{};   // of the last byte
  int error = 0;         // errno
};

// Asks the kernel to note when bytes arrive, on this socket and those that are accepted from it. TCP alone.
void NoteArrivals(int fd);

// Does not wait: EAGAIN when nothing is there. Where arrivals are not noted (Unix sockets), the bytes arrive now.
Received Receive(int fd, std::span<char> into);

}  // namespace punctual::http
