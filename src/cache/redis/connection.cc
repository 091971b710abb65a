#include "cache/redis/connection.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <valkey/tls.h>

#include <boost/asio/post.hpp>
#include <ctime>
#include <utility>

#include "cache/redis/command.h"

namespace punctual::redis {
namespace {

// Neither libvalkey nor OpenSSL writes with MSG_NOSIGNAL: a server that went away would end our process by SIGPIPE.
// While this lives the calling thread does not get one.
class NoSigPipe {
 public:
  NoSigPipe() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigPipe() {
    if (::sigismember(&before_, SIGPIPE) != 0) return;
    if (failed) {
      const ::timespec at_once{};
      while (::sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigPipe(const NoSigPipe&) = delete;
  NoSigPipe& operator=(const NoSigPipe&) = delete;
  bool failed = false;  // a write failed: a signal may be pending

 private:
  ::sigset_t pipe_, before_;
};

constexpr std::string_view kAskingCommand = "*1\r\n$6\r\nASKING\r\n";

}  // namespace

Result<std::shared_ptr<Connection>> Connection::Open(boost::asio::io_context& io, const std::string& ip,
                                                     std::uint16_t port, const std::string& host, const TlsContext* tls,
                                                     ConnectionEvents& events) {
  std::shared_ptr<Connection> connection(new Connection(io, host, tls, events));
  valkeyOptions options{};
  VALKEY_OPTIONS_SET_TCP(&options, ip.c_str(), port);
  // We free the context and the replies ourselves: a context must not go while another thread is about to use it.
  options.options = VALKEY_OPT_NONBLOCK | VALKEY_OPT_NOAUTOFREE | VALKEY_OPT_NOAUTOFREEREPLIES;
  valkeyAsyncContext* context = ::valkeyAsyncConnectWithOptions(&options);
  if (context == nullptr) return Fail(Code::kUnavailable, "out of memory");
  if (context->err != 0) {
    Error error = Fail(Code::kUnavailable, context->errstr);
    ::valkeyAsyncFree(context);
    return error;
  }
  MutexLock lock(connection->io_mutex_);
  connection->context_ = context;
  context->data = connection.get();
  connection->adapter_ = std::make_unique<AsioAdapter>(io, *context);
  ::valkeyAsyncSetConnectCallback(context, OnConnect);
  connection->adapter_->Wait(connection);
  return connection;
}

Connection::~Connection() {
  MutexLock lock(io_mutex_);
  if (context_ != nullptr) {
    adapter_->Detach();
    ::valkeyAsyncFree(context_);
  }
}

void Connection::OnConnect(valkeyAsyncContext* context, int status) {
  auto* self = static_cast<Connection*>(context->data);
  if (status != VALKEY_OK) return;
  self->connected_ = true;
  if (self->tls_ == nullptr) return;
  self->session_ = self->tls_->NewSession(self->host_);
  if (self->session_ == nullptr) {
    self->tls_error_ = "TLS: no session";
  } else if (::valkeyInitiateTLS(&context->c, self->session_) != VALKEY_OK) {
    const std::string error = CertificateError(self->session_);
    self->tls_error_ =
        !error.empty() ? error : std::string("TLS: ") + (context->c.err != 0 ? context->c.errstr : "handshake failed");
    SSL_free(self->session_);
    self->session_ = nullptr;
  }
}

void Connection::OnReply(valkeyAsyncContext* context, void* reply, void* ticket) {
  static_cast<Connection*>(context->data)
      ->completions_.push_back({reinterpret_cast<Ticket>(ticket),
                                std::unique_ptr<valkeyReply, FreeReply>(static_cast<valkeyReply*>(reply))});
}

std::string Connection::Trouble() {
  if (!tls_error_.empty()) return tls_error_;
  if (context_->c.err != 0) {
    std::string error = session_ == nullptr ? std::string() : CertificateError(session_);
    return error.empty() ? context_->c.errstr : error;
  }
  // What is complete has been taken out of the reader: this is the beginning of one reply.
  if (context_->c.reader->len > kMaxReplyBytes) return "a reply of more than 16 MiB";
  return {};
}

void Connection::OnReadable() { Handle(::valkeyAsyncHandleRead); }
void Connection::OnWritable() { Handle(::valkeyAsyncHandleWrite); }
// For a look without an event: a caller's write failed, or left bytes.
void Connection::Attend() {
  Handle([](valkeyAsyncContext*) {});
}

void Connection::Handle(void (*handle)(valkeyAsyncContext*)) {
  std::string error;
  bool connected = false;
  std::vector<Completion> replies;
  {
    MutexLock lock(io_mutex_);
    attending_ = false;
    if (context_ == nullptr) return;
    if (context_->c.err == 0) handle(context_);
    connected = std::exchange(connected_, false);
    replies.swap(completions_);
    error = Trouble();
  }
  if (connected && error.empty()) events_.OnConnected(*this);
  if (!replies.empty()) events_.OnReplies(*this, std::move(replies));
  if (!error.empty()) return events_.OnLost(*this, error);
  // Last: users wait for their replies.
  MutexLock lock(io_mutex_);
  if (context_ != nullptr) adapter_->Wait(shared_from_this());
}

bool Connection::Submit(std::string_view command, Ticket ticket, bool asking) {
  {
    MutexLock lock(queue_mutex_);
    if (closed_) return false;
    if (asking) {
      queue_.bytes.append(kAskingCommand);
      queue_.commands.push_back({MakeTicket(Kind::kAsking), kAskingCommand.size()});
    }
    queue_.bytes.append(command);
    queue_.commands.push_back({ticket, command.size()});
    if (flushing_) return true;
    flushing_ = true;
  }
  Flush();
  return true;
}

void Connection::Flush() {
  NoSigPipe no_signal;
  for (;;) {
    MutexLock lock(io_mutex_);
    {
      MutexLock queue_lock(queue_mutex_);
      std::swap(queue_, writing_);
    }
    if (context_ == nullptr) return;  // closed, with all that was queued
    AppendQueue();
    if (context_->c.err == 0 && (context_->c.flags & VALKEY_DISCONNECTING) == 0) ::valkeyAsyncHandleWrite(context_);
    no_signal.failed = context_->c.err != 0;
    if ((no_signal.failed || adapter_->wants_write()) && !attending_) {
      attending_ = true;
      boost::asio::post(io_, [self = shared_from_this()] { self->Attend(); });
    }
    MutexLock queue_lock(queue_mutex_);
    if (queue_.commands.empty()) {
      flushing_ = false;
      return;
    }
  }
}

void Connection::AppendQueue() {
  const char* at = writing_.bytes.data();
  for (const Queued& command : writing_.commands) {
    // Refused by a context that failed: Close() returns what libvalkey has, so what it did not take is kept for it
    // here.
    if (::valkeyAsyncFormattedCommand(context_, OnReply, reinterpret_cast<void*>(command.ticket), at, command.size) !=
        VALKEY_OK)
      completions_.push_back({command.ticket, nullptr});
    at += command.size;
  }
  writing_.commands.clear();
  writing_.bytes.clear();
  // One large record must not be kept in memory for good.
  if (writing_.bytes.capacity() > 1u << 20) writing_.bytes.shrink_to_fit();
}

std::vector<Completion> Connection::Close() {
  std::vector<Completion> lost;
  MutexLock lock(io_mutex_);
  {
    MutexLock queue_lock(queue_mutex_);
    closed_ = true;
    for (const Queued& command : queue_.commands) lost.push_back({command.ticket, nullptr});
    queue_ = {};
  }
  if (context_ != nullptr) {
    adapter_->Detach();
    ::valkeyAsyncFree(context_);  // calls back for all that had no reply
    context_ = nullptr;
    session_ = nullptr;
  }
  for (Completion& completion : completions_) lost.push_back(std::move(completion));
  completions_.clear();
  return lost;
}

}  // namespace punctual::redis
