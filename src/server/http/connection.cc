#include "server/http/connection.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <span>

#include "server/http/receive.h"

namespace punctual::http {

namespace {

constexpr std::size_t kFirstBuffer = 4 << 10;
constexpr std::size_t kLargestBuffer = 64 << 10;
// An answer that is ready waits at most about so long for those after it, to be written together with them.
constexpr Duration kHeldBack = std::chrono::microseconds(200);

// The other end is on this machine.
bool IsLocal(int fd, int family) {
  if (family == AF_UNIX) return true;
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_INET)
    return (ntohl(reinterpret_cast<const sockaddr_in&>(peer).sin_addr.s_addr) >> 24) == 127;
  if (peer.ss_family != AF_INET6) return false;
  const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&address) || (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
}

}  // namespace

bool Connection::Open(int fd, int family) {
  ErrorCode error;
  socket_.assign(net::generic::stream_protocol(family, 0), fd, error);
  if (!error) socket_.non_blocking(true, error);
  is_local_ = !error && IsLocal(fd, family);
  return !error;
}

void Connection::Start() {
  arrival_ = idle_since_ = std::chrono::steady_clock::now();
  buffer_.resize(kFirstBuffer);
  Read();
}

void Connection::Close() {
  if (closed_) return;
  closed_ = true;
  peer_left_->store(true, std::memory_order_relaxed);
  ErrorCode ignored;
  socket_.close(ignored);
  place_.GiveBack();
  thread_.Forget(*this);
}

void Connection::BeginShutdown() {
  no_more_requests_ = true;
  if (queue_.empty() && !writing_ && !lingering_) return Close();
  close_after_write_ = true;
}

void Connection::Read() {
  if (reading_ || closed_) return;
  reading_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const ErrorCode& error) { self->OnReadable(error); });
}

void Connection::MakeRoom() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    // Whoever sends much is read in larger pieces.
    if (filled_ && buffer_.size() < kLargestBuffer) buffer_.resize(buffer_.size() * 2);
    return;
  }
  if (end_ < buffer_.size()) return;
  if (begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.end(), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    return;
  }
  buffer_.resize(buffer_.size() * 2);  // full of the beginning of a head; ParseSome() bounds it
}

void Connection::OnReadable(const ErrorCode& error) {
  reading_ = false;
  if (closed_) return;
  if (error) return Close();
  MakeRoom();
  const Received received = Receive(socket_.native_handle(), std::span(buffer_).subspan(end_));
  if (received.error == EAGAIN || received.error == EWOULDBLOCK) return Read();
  if (received.error != 0) return Close();
  end_of_input_ = received.size == 0;
  if (lingering_) return end_of_input_ ? Close() : Read();  // over what came in before
  if (!end_of_input_) arrival_ = received.arrival;
  end_ += received.size;
  filled_ = end_ == buffer_.size();
  Advance();
}

bool Connection::MayParse() const {
  if (closed_ || writing_ || no_more_requests_ || alone_ != nullptr) return false;
  // The rest of a request that has begun is taken in any case.
  return parser_.has_value() || static_cast<int>(queue_.size()) < thread_.state().options.max_pipelined;
}

void Connection::Advance() {
  if (advancing_ || closed_) return;
  advancing_ = true;
  Parse();
  Flush();
  advancing_ = false;
  if (closed_ || lingering_) return;
  if (MayParse() && begin_ < end_ && !Incomplete()) {
    // More than one round of requests is here: the thread's other connections come first.
    net::post(thread_.context(), [self = shared_from_this()] { self->Advance(); });
  } else if (end_of_input_) {
    if (queue_.empty() && !writing_) Close();
  } else if (MayParse()) {
    Read();
  }
}

void Connection::Parse() {
  int parsed = 0;
  while (begin_ < end_ && MayParse()) {
    const Step step = ParseSome();
    if (step == Step::kNeedMore) return;
    if (step == Step::kStop || ++parsed == thread_.state().options.max_pipelined) return;
    // An answer that is ready does not wait for long until those after it are.
    if (begin_ < end_ && !queue_.empty() && queue_.front()->ready &&
        std::chrono::steady_clock::now() - queue_.front()->ready_at > kHeldBack)
      return;
  }
}

Connection::Step Connection::ParseSome() {
  if (!parser_) {
    // Some clients send an empty line after a body.
    while (begin_ < end_ && (buffer_[begin_] == '\r' || buffer_[begin_] == '\n')) ++begin_;
    if (begin_ == end_) return Step::kNeedMore;
    parser_.emplace(thread_.state().options, target_, body_);
    message_began_ = arrival_;
    continue_sent_ = false;
  }
  ErrorCode error;
  begin_ += parser_->put(net::const_buffer(buffer_.data() + begin_, end_ - begin_), error);
  if (error == beast::http::error::need_more) {
    error = {};
    // Beast bounds heads, but not what may stand beside a chunk's size.
    if (end_ - begin_ >= std::max(kLargestBuffer, 2 * thread_.state().options.max_header_bytes))
      error = beast::http::error::header_limit;
  }
  if (error == beast::http::error::body_limit) {
    RefuseRequest(413, Fail(Code::kOutOfRange, "body: has more than max_body_bytes = " +
                                                   std::to_string(thread_.state().options.max_body_bytes)));
    return Step::kStop;
  }
  if (error == beast::http::error::header_limit) {
    RefuseRequest(431, Fail(Code::kOutOfRange, "head: has more than max_header_bytes = " +
                                                   std::to_string(thread_.state().options.max_header_bytes)));
    return Step::kStop;
  }
  if (error) {
    RefuseRequest(400, Fail(Code::kInvalidArgument, "request: not HTTP/1.1: " + error.message()));
    return Step::kStop;
  }
  if (!parser_->is_done()) {
    ContinueIfExpected();
    return Step::kNeedMore;
  }
  HandleRequest();
  return Step::kAgain;
}

void Connection::ContinueIfExpected() {
  if (continue_sent_ || !parser_->is_header_done() || !parser_->expects_continue() || !body_.empty()) return;
  continue_sent_ = true;
  Exchange& exchange = AddExchange();
  exchange.interim = true;
  exchange.ready = true;
  exchange.body = "HTTP/1.1 100 Continue\r\n\r\n";
}

void Connection::HandleRequest() {
  idle_since_ = arrival_;
  Exchange& exchange = AddExchange();
  const bool keep_alive = parser_->keep_alive();
  exchange.close = !keep_alive;
  exchange.keep_alive = keep_alive && parser_->http_1_0();
  exchange.head_only = parser_->method() == verb::head;
  if (exchange.close) no_more_requests_ = true;
  exchange.connection = shared_from_this();
  thread_.BeginExchange();
  handling_ = true;
  const Api::Order order = thread_.api().Handle({*parser_, target_, body_, arrival_, is_local_, peer_left_}, exchange);
  handling_ = false;
  parser_.reset();
  TrimAndClear(body_);
  if (order == Api::Order::kAlone && !exchange.ready) alone_ = &exchange;
}

void Connection::RefuseRequest(int status, const Error& error) {
  Exchange& exchange = AddExchange();
  exchange.Refuse(status, error);
  exchange.close = true;
  exchange.ready = true;
  no_more_requests_ = true;
  parser_.reset();
}

void Connection::OnFinished(Exchange& exchange) {
  exchange.ready = true;
  if (closed_) return;
  // Waiting behind an answer that is not ready is no cost of replying.
  exchange.measures_reply = exchange.prediction.has_value() && queue_.front() == &exchange;
  Api::CompletePrediction(exchange);
  if (alone_ == &exchange) alone_ = nullptr;
  if (!handling_) Advance();
}

void Connection::Sweep(TimePoint now) {
  const ServerOptions& options = thread_.state().options;
  if (closed_) return;
  if (lingering_) {
    if (now > linger_until_) Close();
    return;
  }
  if (writing_) {
    if (now - write_began_ > options.write_timeout) {
      thread_.state().timeouts.Add();
      Close();
    }
    return;
  }
  if (Incomplete()) {
    if (now - message_began_ <= options.request_timeout) return;
    thread_.state().timeouts.Add();
    RefuseRequest(408, Fail(Code::kDeadlineExceeded, "request: did not arrive whole within request_timeout_ms"));
    return Advance();
  }
  // Not since the newest bytes: empty lines between requests, which are skipped, do not keep it open.
  if (queue_.empty() && now - idle_since_ > options.idle_timeout) {
    thread_.state().timeouts.Add();
    Close();
  }
}

}  // namespace punctual::http
