// A thread beside the I/O threads, for what would hold up the others of an I/O thread's connections.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string>
#include <thread>
#include <utility>

#include "base/threads.h"

namespace punctual::http {

// Post: any thread. Start and Stop: one thread.
class AsideThread {
 public:
  void Start(const std::string& name) {
    thread_ = std::thread([this, name] {
      NameThisThread(name);
      context_.run();
    });
  }
  // Runs what was posted, then ends.
  void Stop() {
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }
  // Runs `task` after those posted before.
  template <class Task>
  void Post(Task&& task) {
    boost::asio::post(context_, std::forward<Task>(task));
  }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  std::thread thread_;
};

}  // namespace punctual::http
