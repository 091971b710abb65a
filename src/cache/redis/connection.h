// One connection to one Redis server: libvalkey's asynchronous context with a lock of its own.
//
// Commands are written by the threads that submit them, without a hand-over: a thread appends its command to a queue;
// if no other is writing, it takes the whole queue, hands it to libvalkey and writes the socket, until the queue is
// empty. Who comes while another writes only appends: its command goes along (pipelining). Replies are read on the
// io_context's thread, collected under the lock and delivered without it.
//
// Locks: io_mutex_ (the context) before queue_mutex_; neither is held while ConnectionEvents are called.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "cache/redis/asio_adapter.h"
#include "cache/redis/reply.h"
#include "cache/redis/ticket_table.h"
#include "cache/redis/tls_context.h"
#include "punctual/result.h"

namespace punctual::redis {

// A reply that grows beyond this is an error of its connection: what we keep (kMaxRecordBytes in cache/redis/client.h)
// and the layout of a large cluster are smaller by far.
inline constexpr std::size_t kMaxReplyBytes = 16u << 20;

struct Completion {
  Ticket ticket = 0;
  std::unique_ptr<valkeyReply, FreeReply> reply;  // null: the connection was lost before it came
};

class Connection;

// All on the io_context's thread, with no lock held; not after Close().
class ConnectionEvents {
 public:
  virtual ~ConnectionEvents() = default;
  virtual void OnConnected(Connection& connection) = 0;
  virtual void OnReplies(Connection& connection, std::vector<Completion> replies) = 0;
  // It failed and is of no use any more: the owner calls Close().
  virtual void OnLost(Connection& connection, const std::string& error) = 0;
};

// Commands: any thread. Everything else: the io_context's thread.
class Connection final : public SocketEvents, public std::enable_shared_from_this<Connection> {
 public:
  // Begins to connect; never blocks. `ip` is numeric, `host` the name that a certificate must show; `tls` may be null.
  // kUnavailable: refused at once, with the reason.
  static Result<std::shared_ptr<Connection>> Open(boost::asio::io_context& io, const std::string& ip,
                                                  std::uint16_t port, const std::string& host, const TlsContext* tls,
                                                  ConnectionEvents& events);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a command (its bytes as the protocol has them); its reply comes under `ticket`. `asking`: an ASKING goes
  // right before it. False: the connection is closed, and no completion will come. REQUIRES: OnConnected was called.
  bool Submit(std::string_view command, Ticket ticket, bool asking = false);

  // Ends it. Returns what had no reply yet; no event comes any more.
  std::vector<Completion> Close();

 private:
  struct Queued {
    Ticket ticket;
    std::size_t size;
  };
  struct Queue {
    std::string bytes;
    std::vector<Queued> commands;
  };
  Connection(boost::asio::io_context& io, std::string host, const TlsContext* tls, ConnectionEvents& events)
      : io_(io), host_(std::move(host)), tls_(tls), events_(events) {}

  void OnReadable() override;
  void OnWritable() override;
  void Handle(void (*handle)(valkeyAsyncContext*));
  void Flush();
  void Attend();
  void AppendQueue() REQUIRES_LOCK(io_mutex_);
  std::string Trouble() REQUIRES_LOCK(io_mutex_);
  static void OnConnect(valkeyAsyncContext* context, int status);
  static void OnReply(valkeyAsyncContext* context, void* reply, void* ticket);

  boost::asio::io_context& io_;
  const std::string host_;
  const TlsContext* const tls_;
  ConnectionEvents& events_;

  Mutex io_mutex_;
  valkeyAsyncContext* context_ GUARDED_BY(io_mutex_) = nullptr;  // null: closed
  std::unique_ptr<AsioAdapter> adapter_ GUARDED_BY(io_mutex_);
  Queue writing_ GUARDED_BY(io_mutex_);  // taken from queue_, being handed to libvalkey
  bool attending_ GUARDED_BY(io_mutex_) = false;
  // Filled by libvalkey's callbacks, inside calls that are made under io_mutex_ on the io_context's thread.
  ssl_st* session_ = nullptr;  // the context's
  bool connected_ = false;
  std::string tls_error_;
  std::vector<Completion> completions_;

  Mutex queue_mutex_;
  Queue queue_ GUARDED_BY(queue_mutex_);
  bool flushing_ GUARDED_BY(queue_mutex_) = false;  // a thread is in Flush()
  bool closed_ GUARDED_BY(queue_mutex_) = false;
};

}  // namespace punctual::redis
