// One connection, TCP or Unix: reads requests, hands them to the API, and writes the answers in the requests' order.
//
// A round of it: what was read is parsed, as many requests as there are (up to max_pipelined); those answered at once
// are written together; then it reads on. It stops reading while a peer does not take its answers, while max_pipelined
// requests wait for theirs, or while a request is handled that must not be overtaken.
#pragma once

#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/http/exchange.h"
#include "server/http/io_thread.h"
#include "server/http/request_parser.h"

namespace punctual::http {

// Everything on its IoThread, but for the constructor.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(IoThread& thread, PeerPlaces::Place place)
      : thread_(thread), place_(std::move(place)), socket_(thread.context()) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Takes the socket, unless it gives false.
  bool Open(int fd, int family);
  void Start();
  // Closes it now, whatever is on the way.
  void Close();
  // Takes no more requests, and closes when those it took are answered.
  void BeginShutdown();
  // Closes it if its peer has been too slow.
  void Sweep(TimePoint now);

  IoThread& thread() { return thread_; }
  // A request is being given to the API: the answer may come at once.
  bool handling() const { return handling_; }
  void OnFinished(Exchange& exchange);

  std::size_t registry_index = 0;  // the IoThread's

 private:
  using ErrorCode = boost::system::error_code;
  using Socket = net::basic_stream_socket<net::generic::stream_protocol, net::io_context::executor_type>;
  enum class Step { kNeedMore, kAgain, kStop };

  void Read();
  void OnReadable(const ErrorCode& error);
  void MakeRoom();

  // Does all there is to do: parses, answers, and then reads on, waits for an answer, or closes.
  void Advance();
  bool MayParse() const;
  void Parse();
  Step ParseSome();
  void HandleRequest();
  void RefuseRequest(int status, const Error& error);
  void ContinueIfExpected();

  Exchange& AddExchange();
  void Flush();
  void AppendAnswer(Exchange& exchange, bool last);
  void CountAnswer(int status);
  void Write();
  void WriteRest();
  void OnWritten();
  void Linger();
  bool Incomplete() const { return parser_.has_value() && !no_more_requests_; }

  IoThread& thread_;
  PeerPlaces::Place place_;
  // Closed. A peer that only ended sending may still wait for its answers.
  const std::shared_ptr<std::atomic<bool>> peer_left_ = std::make_shared<std::atomic<bool>>(false);
  Socket socket_;

  std::vector<char> buffer_;  // [begin_, end_) is not parsed yet
  std::size_t begin_ = 0, end_ = 0;
  std::optional<RequestParser> parser_;  // of the request that is coming in
  std::string target_, body_;
  TimePoint arrival_{};        // of the newest bytes
  TimePoint message_began_{};  // of the request that is coming in
  TimePoint idle_since_{};     // when the newest request was whole, or the connection began
  TimePoint write_began_{};
  TimePoint linger_until_{};

  std::vector<Exchange*> queue_;  // requests in their order, until their answers are in out_
  std::vector<Exchange*> spare_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;
  Exchange* alone_ = nullptr;  // none after it is begun before it is ready

  std::string out_;  // being written
  std::size_t written_ = 0;
  std::vector<TimePoint> replies_;  // when the predictions in out_ were ready

  bool is_local_ = false;
  bool reading_ = false, writing_ = false;
  bool filled_ = false;  // the last read took all the room it had
  bool advancing_ = false, handling_ = false;
  bool continue_sent_ = false;
  bool end_of_input_ = false;      // the peer sends no more
  bool no_more_requests_ = false;  // we take no more
  bool close_after_write_ = false, lingering_ = false, closed_ = false;
};

// Empties a reused string, and gives back what a rare large use of it took.
void TrimAndClear(std::string& text);

}  // namespace punctual::http
