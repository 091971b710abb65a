#include "load/http_client.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace punctual::load {

namespace {
using Clock = std::chrono::steady_clock;
}

void HttpClient::Add(std::string_view method, std::string_view path, std::string_view content_type,
                     std::string_view body) {
  requests_.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: ").append(address_.host);
  if (!content_type.empty()) requests_.append("\r\nContent-Type: ").append(content_type);
  requests_.append("\r\nContent-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  ++count_;
}

Result<std::vector<HttpReply>> HttpClient::Exchange(Duration timeout) {
  auto replies = SendAndReceive(Clock::now() + timeout);
  if (replies.has_error()) {
    fd_.Reset();
    parser_ = HttpResponseParser();
  }
  requests_.clear();
  count_ = 0;
  return replies;
}

Result<std::vector<HttpReply>> HttpClient::SendAndReceive(TimePoint until) {
  if (!fd_) PUNCTUAL_TRY(Connect(until));
  const auto lost = [&](const std::string& why) {
    return Fail(Code::kUnavailable, "connection to " + address_.text + " lost: " + why);
  };
  std::string_view unsent = requests_;
  std::string received;
  std::vector<HttpReply> replies;
  while (replies.size() < count_) {
    PUNCTUAL_TRY(Poll(static_cast<short>(POLLIN | (unsent.empty() ? 0 : POLLOUT)), until));
    if (!unsent.empty()) {
      const ssize_t sent = ::send(fd_.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return lost(std::strerror(errno));
      unsent.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    }
    char buffer[16 << 10];
    const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EAGAIN) continue;
    if (count <= 0) return lost(count == 0 ? "closed by the server" : std::strerror(errno));
    received.append(buffer, static_cast<std::size_t>(count));
    bool close = false;
    while (!received.empty() && replies.size() < count_) {
      PUNCTUAL_ASSIGN(const auto response, parser_.Parse(received));
      if (!response) break;
      replies.push_back({response->status, std::string(response->body)});
      received.erase(0, response->size);
      close = close || response->close;
    }
    if (close && replies.size() < count_) return lost("closed by the server");
    if (close) fd_.Reset();
  }
  return replies;
}

Result<void> HttpClient::Connect(TimePoint until) {
  PUNCTUAL_ASSIGN(fd_, StartConnect(address_));
  PUNCTUAL_TRY(Poll(POLLOUT, until));
  return ConnectError(address_, fd_);
}

Result<void> HttpClient::Poll(short events, TimePoint until) {
  pollfd waiting{.fd = fd_.get(), .events = events, .revents = 0};
  for (;;) {
    // Looked at first: a server that sends without end is ready each time.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return Fail(Code::kUnavailable, address_.text + " does not respond");
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Fail(Code::kInternal, std::string("poll: ") + std::strerror(errno));
  }
}

}  // namespace punctual::load
