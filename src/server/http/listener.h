// A socket that listens, TCP or Unix, and hands on what it accepts.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "punctual/result.h"

namespace punctual::http {

namespace net = boost::asio;

// Used by the context's thread alone, once it is started.
class Listener {
 public:
  // Called with each accepted socket: non-blocking, and the callee's to close.
  using OnAccept = std::function<void(int fd, int family)>;

  // "ADDRESS:PORT", "[IPV6]:PORT" or "NAME:PORT". kInvalidArgument: not that; kUnavailable: it cannot be bound.
  static Result<std::unique_ptr<Listener>> OpenTcp(net::io_context& context, const std::string& address);
  // A path. A socket that a process left behind there is replaced; one that somebody listens on is not
  // (kAlreadyExists).
  static Result<std::unique_ptr<Listener>> OpenUnix(net::io_context& context, const std::string& path);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  void Start(OnAccept on_accept);
  void Close();

  // "http://127.0.0.1:8080", "unix:/run/punctual.sock"
  const std::string& name() const { return name_; }
  int port() const { return port_; }  // 0: not TCP

 private:
  Listener(net::io_context& context, int fd, int family);
  void Wait();
  void AcceptSome();
  void PauseFor(int error);

  net::posix::basic_stream_descriptor<net::io_context::executor_type> socket_;
  net::basic_waitable_timer<std::chrono::steady_clock, net::wait_traits<std::chrono::steady_clock>,
                            net::io_context::executor_type>
      pause_;
  const int family_;
  int port_ = 0;
  std::string name_;
  std::string path_;  // of a Unix socket, removed with it
  OnAccept on_accept_;
};

}  // namespace punctual::http
