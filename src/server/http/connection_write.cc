// The half of Connection that answers.
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/status.hpp>

#include "server/http/connection.h"
#include "server/http/json_writer.h"

namespace punctual::http {

namespace {

constexpr auto kLinger = std::chrono::seconds(1);

}  // namespace

void TrimAndClear(std::string& text) {
  constexpr std::size_t kKept = 8 << 10;  // of each, for thousands of connections
  if (text.capacity() > kKept)
    text = std::string();
  else
    text.clear();
}

Exchange& Connection::AddExchange() {
  if (spare_.empty()) {
    exchanges_.push_back(std::make_unique<Exchange>());
    spare_.push_back(exchanges_.back().get());
  }
  Exchange* exchange = spare_.back();
  spare_.pop_back();
  queue_.push_back(exchange);
  return *exchange;
}

// Takes the answers that are ready, in order, and writes them together.
void Connection::Flush() {
  if (writing_ || closed_) return;
  // What waited for others of its round says nothing about what a reply costs.
  const bool is_alone = queue_.size() == 1;
  std::size_t taken = 0;
  while (taken < queue_.size() && queue_[taken]->ready) {
    Exchange& exchange = *queue_[taken++];
    exchange.measures_reply = exchange.measures_reply && is_alone;
    AppendAnswer(exchange, taken == queue_.size());
    exchange.Reset();
    spare_.push_back(&exchange);
  }
  if (taken == 0) return;
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(taken));
  Write();
}

void Connection::AppendAnswer(Exchange& exchange, bool last) {
  if (exchange.interim) {
    out_ += exchange.body;
    return;
  }
  CountAnswer(exchange.status);
  const bool closes = exchange.close || (last && close_after_write_);
  const auto reason = beast::http::obsolete_reason(static_cast<beast::http::status>(exchange.status));
  out_ += "HTTP/1.1 ";
  AppendJsonNumber(out_, exchange.status);
  out_.append(" ").append(reason.data(), reason.size()).append("\r\nContent-Type: ").append(exchange.content_type);
  out_ += "\r\nContent-Length: ";
  AppendJsonNumber(out_, exchange.body.size());
  if (!exchange.allow.empty()) out_.append("\r\nAllow: ").append(exchange.allow);
  if (exchange.retry_after_s > 0) {
    out_ += "\r\nRetry-After: ";
    AppendJsonNumber(out_, exchange.retry_after_s);
  }
  if (closes)
    out_ += "\r\nConnection: close";
  else if (exchange.keep_alive)
    out_ += "\r\nConnection: keep-alive";
  out_ += "\r\n\r\n";
  if (!exchange.head_only) out_ += exchange.body;
  if (closes) close_after_write_ = true;
  if (exchange.measures_reply) replies_.push_back(exchange.ready_at);
}

void Connection::CountAnswer(int status) {
  ServerState& state = thread_.state();
  (status < 400 ? state.responses_ok : status < 500 ? state.responses_refused : state.responses_failed).Add();
}

void Connection::Write() {
  written_ = 0;
  // Nearly always the socket takes all of it at once, and the reactor need not know.
  ErrorCode error;
  written_ = socket_.write_some(net::buffer(out_), error);
  if (error && error != net::error::would_block && error != net::error::try_again) return Close();
  if (written_ == out_.size()) return OnWritten();
  replies_.clear();  // how slowly a peer reads is no cost of ours
  writing_ = true;
  write_began_ = std::chrono::steady_clock::now();
  WriteRest();
}

void Connection::WriteRest() {
  socket_.async_write_some(net::buffer(out_.data() + written_, out_.size() - written_),
                           [self = shared_from_this()](const ErrorCode& error, std::size_t size) {
                             if (self->closed_) return;
                             if (error) return self->Close();
                             self->written_ += size;
                             if (self->written_ < self->out_.size()) return self->WriteRest();
                             self->writing_ = false;
                             self->message_began_ = std::chrono::steady_clock::now();  // nothing was read meanwhile
                             self->OnWritten();
                             self->Advance();
                           });
}

void Connection::OnWritten() {
  if (!replies_.empty()) {
    const TimePoint now = std::chrono::steady_clock::now();
    for (const TimePoint ready : replies_) thread_.state().engine.RecordReplyCost(now - ready);
    replies_.clear();
  }
  TrimAndClear(out_);
  if (close_after_write_ && queue_.empty()) Linger();
}

// Closing a socket with unread bytes in it resets the connection, and the peer might lose the answer: the rest is read
// first.
void Connection::Linger() {
  if (lingering_) return;
  if (end_of_input_) return Close();
  ErrorCode error;
  socket_.shutdown(net::socket_base::shutdown_send, error);
  if (error) return Close();
  lingering_ = true;
  no_more_requests_ = true;
  linger_until_ = std::chrono::steady_clock::now() + kLinger;
  begin_ = end_ = 0;
  Read();
}

}  // namespace punctual::http
