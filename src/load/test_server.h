// A small HTTP server on a real socket, for tests: one thread, and a function that answers.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "load/unique_fd.h"

namespace punctual::load {

struct TestRequest {
  std::string method, path, body;
};

// The bytes of a response; empty: the connection is closed; nothing: no answer ever. Runs on the server's thread, so
// while it sleeps the whole server stalls.
using TestHandler = std::function<std::optional<std::string>(const TestRequest&)>;

class TestServer {
 public:
  // Listens on a free port of 127.0.0.1, or on `port`, or on a Unix socket at `path`.
  explicit TestServer(TestHandler handler, int port = 0);
  TestServer(TestHandler handler, const std::string& path);
  ~TestServer();

  // As ParseAddress takes it.
  const std::string& address() const { return address_; }
  int port() const { return port_; }
  int accepted() const { return accepted_; }

 private:
  void Run();
  bool Serve(int fd, std::string& received);

  TestHandler handler_;
  UniqueFd listener_;
  std::string address_;
  int port_ = 0;
  std::map<int, std::pair<UniqueFd, std::string>> connections_;
  std::atomic<int> accepted_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// A whole response with a Content-Length.
std::string TestResponse(int status, std::string_view body, std::string_view headers = "");

}  // namespace punctual::load
