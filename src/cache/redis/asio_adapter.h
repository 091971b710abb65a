// libvalkey's event hooks over Boost.Asio: waits for a context's socket on an io_context.
//
// libvalkey calls the hooks (addRead, addWrite, ...) on whatever thread uses the context, while Asio's descriptors are
// for one thread. So the hooks only note what is wanted, and the io_context's thread turns that into waits (Wait). The
// socket stays libvalkey's: it is let go of, not closed. Boost.Asio waits for an edge, but re-arms on each wait, so
// that bytes left in the socket wake us again.
#pragma once

#include <valkey/async.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>

namespace punctual::redis {

// What waits for a socket. Called on the io_context's thread, without a lock.
class SocketEvents {
 public:
  virtual ~SocketEvents() = default;
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;
};

// Guarded by the lock that guards the context: every call of libvalkey and every call here is made under it.
class AsioAdapter {
 public:
  // REQUIRES: the context has a socket; it and the adapter go together (Detach, then valkeyAsyncFree).
  AsioAdapter(boost::asio::io_context& io, valkeyAsyncContext& context);
  AsioAdapter(const AsioAdapter&) = delete;
  AsioAdapter& operator=(const AsioAdapter&) = delete;

  // The io_context's thread: begins the waits that libvalkey wants and that are not under way. `owner` is kept until
  // the wait ends.
  void Wait(const std::shared_ptr<SocketEvents>& owner);
  // The io_context's thread: ends the waits (without a call to their owner) and lets go of the socket.
  void Detach();
  // True while libvalkey has bytes that the socket would not take.
  bool wants_write() const { return wants_write_; }

 private:
  using Descriptor = boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type>;

  void ForgetWrites();

  Descriptor descriptor_;
  const int fd_;
  bool waited_for_write_ = false;
  bool wants_read_ = false, wants_write_ = false;
  // Shared with the waits, whose handlers may run after this has gone. Used on the io_context's thread alone.
  struct Waiting {
    bool read = false, write = false;
  };
  std::shared_ptr<Waiting> waiting_ = std::make_shared<Waiting>();
};

}  // namespace punctual::redis
