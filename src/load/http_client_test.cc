#include "load/http_client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <string_view>
#include <thread>

#include "load/test_server.h"
#include "load/unique_fd.h"

namespace punctual::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A port of 127.0.0.1 where one client is sent `head`, and then `piece` again and again, for 20 s at most.
class EndlessServer {
 public:
  EndlessServer(std::string_view head, std::string_view piece) {
    listener_.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    address_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::jthread([this, head, piece](const std::stop_token& stop) {
      pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
      while (::poll(&waiting, 1, 20) == 0)
        if (stop.stop_requested()) return;
      UniqueFd client;
      client.Reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const auto until = std::chrono::steady_clock::now() + seconds(20);
      ssize_t sent = ::send(client.get(), head.data(), head.size(), MSG_NOSIGNAL);
      while (sent > 0 && !stop.stop_requested() && std::chrono::steady_clock::now() < until) {
        sent = ::send(client.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
        std::this_thread::sleep_for(milliseconds(1));
      }
    });
  }

  const std::string& address() const { return address_; }

 private:
  UniqueFd listener_;
  std::string address_;
  std::jthread thread_;
};

Error ErrorOf(const EndlessServer& server, Duration timeout) {
  HttpClient client(ParseAddress(server.address()).value());
  client.Add("GET", "/v1/models", "", "");
  return client.Exchange(timeout).error();
}

TEST(HttpClientTest, AResponseThatDoesNotEndIsGivenUpWhenTheTimeIsOver) {
  const EndlessServer server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n");
  const Error error = ErrorOf(server, milliseconds(200));
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_NE(error.message.find("does not respond"), std::string::npos) << error.message;
}

TEST(HttpClientTest, InterimResponsesWithoutEndAreNotKept) {
  const EndlessServer server(
      "HTTP/1.1 100 Continue\r\n\r\n",
      std::string_view(
          "HTTP/1.1 102 Processing\r\nLink: 0123456789012345678901234567890123456789012345678901234567890123\r\n\r\n"));
  const Error error = ErrorOf(server, seconds(60));
  EXPECT_EQ(error.code, Code::kOutOfRange) << error.message;
}

}  // namespace
}  // namespace punctual::load
