// Names of nodes become addresses, without anybody waiting for a resolver that hangs.
//
// Each look-up has a detached thread, the only ones we have: getaddrinfo cannot be called off, so whoever joins a
// thread that is in it waits for as long as DNS pleases. What such a thread may touch when its client has gone is
// shared with it. (getaddrinfo_a has such threads too, but one queue for the whole process, and calls back on yet
// another thread that cannot be waited for.)
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "punctual/result.h"

namespace punctual::redis {

// The numeric addresses of a name, in the order in which they are to be tried; not empty. Blocks. Any thread.
using Resolve = std::function<Result<std::vector<std::string>>(const std::string& host)>;
// By the system (getaddrinfo). kUnavailable, with its reason.
Result<std::vector<std::string>> ResolveBySystem(const std::string& host);

// The io_context's thread alone.
class NameLookUps {
 public:
  using Done = std::function<void(Result<std::vector<std::string>>)>;

  NameLookUps(boost::asio::io_context& io, Resolve resolve);
  ~NameLookUps() { Stop(); }
  NameLookUps(const NameLookUps&) = delete;
  NameLookUps& operator=(const NameLookUps&) = delete;

  // Calls `done` on the io_context's thread, unless stopped before. How many are under way is the caller's to bound.
  void Start(const std::string& host, Done done);
  // Forgets what is under way. Waits for nothing.
  void Stop();

 private:
  struct Shared {
    Mutex mutex;
    NameLookUps* owner GUARDED_BY(mutex) = nullptr;  // null: nobody wants to know any more
  };
  void Finish(std::uint64_t id, Result<std::vector<std::string>> found);

  boost::asio::io_context& io_;
  const Resolve resolve_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::uint64_t next_id_ = 0;
  std::map<std::uint64_t, Done> waiting_;
};

}  // namespace punctual::redis
