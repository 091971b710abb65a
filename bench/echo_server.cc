// A bare HTTP server with one fixed answer, on one thread: what the machine, the kernel's sockets and the load
// generator cost by themselves. Load benchmarks run it beside the server under test; its late answers are the machine's
// own noise.
//
// usage: echo_server [PORT]   (0 or none: the system picks one; it is printed)
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::string_view kAnswer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"source\":\"echo\"}";
constexpr std::size_t kMaxRequest = 4u << 20;

// The size of the first whole request in `bytes`; 0: it is not whole yet.
std::size_t RequestSize(std::string_view bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  std::size_t body = 0;
  constexpr std::string_view kName = "content-length:";
  for (std::size_t at = bytes.find("\r\n"); at < head; at = bytes.find("\r\n", at + 2)) {
    if (::strncasecmp(bytes.data() + at + 2, kName.data(), kName.size()) != 0) continue;
    body = std::strtoull(bytes.data() + at + 2 + kName.size(), nullptr, 10);  // stops at the line's end, which is there
  }
  const std::size_t size = head + 4 + body;
  return bytes.size() >= size ? size : 0;
}

int Listen(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd, 4096) != 0) {
    std::perror("echo_server: cannot listen");
    return -1;
  }
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

class Server {
 public:
  explicit Server(int listener) : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(256u << 10) {
    Watch(listener_);
  }

  void Run() {
    std::array<epoll_event, 256> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_)
          Accept();
        else if (!Serve(fd))
          Close(fd);
      }
    }
  }

 private:
  void Watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Accept() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Watch(fd);
  }

  void Close(int fd) {
    ::close(fd);
    partial_.erase(fd);
  }

  bool Serve(int fd) {
    const ssize_t count = ::recv(fd, buffer_.data(), buffer_.size(), 0);
    if (count < 0 && errno == EAGAIN) return true;
    if (count <= 0) return false;
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
    const auto partial = partial_.find(fd);
    std::string joined;
    if (partial != partial_.end()) {
      joined = std::move(partial->second.append(bytes));
      partial_.erase(partial);
      bytes = joined;
    }
    while (const std::size_t size = RequestSize(bytes)) {
      // An answer is far smaller than a socket's buffer: one that does not fit at once is a client that does not read.
      if (::send(fd, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(kAnswer.size()))
        return false;
      bytes.remove_prefix(size);
    }
    if (!bytes.empty()) partial_[fd] = std::string(bytes);
    return bytes.size() <= kMaxRequest;
  }

  const int listener_;
  const int epoll_;
  std::vector<char> buffer_;
  std::unordered_map<int, std::string> partial_;  // requests that are not whole yet
};

}  // namespace

int main(int argc, char** argv) {
  const long port = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 0;
  if (argc > 2 || port < 0 || port > 65535) {
    std::fprintf(stderr, "usage: echo_server [PORT]\n");
    return 2;
  }
  const int listener = Listen(static_cast<std::uint16_t>(port));
  if (listener < 0) return 1;
  Server(listener).Run();
}
