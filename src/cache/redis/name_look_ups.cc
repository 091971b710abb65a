#include "cache/redis/name_look_ups.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "base/threads.h"

namespace punctual::redis {

Result<std::vector<std::string>> ResolveBySystem(const std::string& host) {
  ::addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  ::addrinfo* list = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &wanted, &list); code != 0)
    return Fail(Code::kUnavailable, ::gai_strerror(code));
  std::vector<std::string> found;
  for (const ::addrinfo* at = list; at != nullptr; at = at->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0 &&
        std::find(found.begin(), found.end(), text) == found.end())
      found.emplace_back(text);
  }
  ::freeaddrinfo(list);
  if (found.empty()) return Fail(Code::kUnavailable, "has no address");
  return found;
}

NameLookUps::NameLookUps(boost::asio::io_context& io, Resolve resolve) : io_(io), resolve_(std::move(resolve)) {
  MutexLock lock(shared_->mutex);
  shared_->owner = this;
}

void NameLookUps::Stop() {
  {
    MutexLock lock(shared_->mutex);
    shared_->owner = nullptr;
  }
  waiting_.clear();
}

void NameLookUps::Start(const std::string& host, Done done) {
  const std::uint64_t id = ++next_id_;
  // It stays here: what it holds belongs to the io_context's thread.
  waiting_[id] = std::move(done);
  try {
    std::thread([id, host, resolve = resolve_, shared = shared_] {
      NameThisThread("redis-name");
      auto found = resolve(host);
      MutexLock lock(shared->mutex);
      NameLookUps* const owner = shared->owner;
      if (owner == nullptr) return;
      boost::asio::post(owner->io_,
                        [owner, id, found = std::move(found)]() mutable { owner->Finish(id, std::move(found)); });
    }).detach();
  } catch (const std::system_error& error) {
    boost::asio::post(io_, [this, id, why = std::string(error.what())] { Finish(id, Fail(Code::kUnavailable, why)); });
  }
}

void NameLookUps::Finish(std::uint64_t id, Result<std::vector<std::string>> found) {
  const auto at = waiting_.find(id);
  if (at == waiting_.end()) return;
  const Done done = std::move(at->second);
  waiting_.erase(at);
  done(std::move(found));
}

}  // namespace punctual::redis
