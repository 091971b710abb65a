#include "load/test_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace punctual::load {

TestServer::TestServer(TestHandler handler, int port) : handler_(std::move(handler)) {
  listener_.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) std::abort();
  ::listen(listener_.get(), 1024);
  ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  address_ = "http://127.0.0.1:" + std::to_string(port_);
  thread_ = std::thread([this] { Run(); });
}

TestServer::TestServer(TestHandler handler, const std::string& path) : handler_(std::move(handler)) {
  listener_.Reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ::unlink(path.c_str());
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
  ::listen(listener_.get(), 1024);
  address_ = "unix:" + path;
  thread_ = std::thread([this] { Run(); });
}

TestServer::~TestServer() {
  stop_ = true;
  thread_.join();
}

void TestServer::Run() {
  while (!stop_) {
    std::vector<pollfd> waiting = {{listener_.get(), POLLIN, 0}};
    for (const auto& [fd, connection] : connections_) waiting.push_back({fd, POLLIN, 0});
    ::poll(waiting.data(), waiting.size(), 20);
    for (const pollfd& ready : waiting) {
      if (ready.revents == 0) continue;
      if (ready.fd == listener_.get()) {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) continue;
        ++accepted_;
        connections_[fd].first.Reset(fd);
      } else if (!Serve(ready.fd, connections_[ready.fd].second)) {
        connections_.erase(ready.fd);
      }
    }
  }
}

bool TestServer::Serve(int fd, std::string& received) {
  char buffer[64 << 10];
  const ssize_t count = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (count <= 0) return false;
  received.append(buffer, static_cast<std::size_t>(count));
  for (;;) {
    const std::size_t head = received.find("\r\n\r\n");
    if (head == std::string::npos) return true;
    const std::size_t length_at = received.find("Content-Length: ");
    const std::size_t length = length_at < head ? std::strtoul(&received[length_at + 16], nullptr, 10) : 0;
    if (received.size() < head + 4 + length) return true;
    const std::size_t space = received.find(' ');
    TestRequest request{.method = received.substr(0, space),
                        .path = received.substr(space + 1, received.find(' ', space + 1) - space - 1),
                        .body = received.substr(head + 4, length)};
    received.erase(0, head + 4 + length);
    const std::optional<std::string> answer = handler_(request);
    if (!answer) continue;
    if (answer->empty()) return false;
    ::send(fd, answer->data(), answer->size(), MSG_NOSIGNAL);
    if (answer->find("Connection: close\r\n") != std::string::npos) return false;
  }
}

std::string TestResponse(int status, std::string_view body, std::string_view headers) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Status\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(headers) + "\r\n" + std::string(body);
}

}  // namespace punctual::load
