// One thread of the load generator: its share of the connections, and the requests that are due on them.
//
// Plain non-blocking sockets on epoll, not Asio: the generator stands beside the server on the same cores, and every
// microsecond of its own is one that it takes from what it measures. A request costs one send, one recv and its share
// of an epoll_pwait2 whose timeout is the next due time to the nanosecond.
//
// Open loop: a request is due when the schedule says, whatever became of those before. One that is due on a busy
// connection goes over another one of the same user that is free, as in browsers; where none is it waits, and its time
// counts on: the server's stalls show in full (no coordinated omission).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "load/address.h"
#include "load/http_response.h"
#include "load/load_stats.h"
#include "load/options.h"
#include "load/request_maker.h"
#include "load/schedule.h"

namespace punctual::load {

// What all threads of a run share. Immutable while they run, but for `stop`.
struct LoadPlan {
  LoadOptions options;
  Address address;
  std::vector<Duration> limits;
  RequestMaker requests;
  std::size_t connections = 0;
  std::size_t slots = 0;    // slot s: user s % users, connection s % connections
  std::size_t windows = 0;  // of the report, from where measuring begins
  const std::atomic<bool>& stop;
};

class Generator {
 public:
  // Takes the connections c with c % plan.options.threads == thread. REQUIRES: plan outlives it.
  Generator(const LoadPlan& plan, std::size_t thread);

  // Opens every connection. kUnavailable: one could not be opened, with the reason.
  Result<void> Connect();
  // Sends what is due from `start` on until the plan's end (or its stop), then waits for what is under way, at most the
  // timeout. kInternal: the system refused something.
  Result<void> Run(TimePoint start);

  // What was counted up to now; about a second old while it runs. Any thread.
  LoadStats Progress() const;
  // When the measured part ended: earlier than planned if the run was stopped. After Run.
  Duration measured() const { return measured_; }

 private:
  using RequestId = std::uint64_t;  // 0: none

  struct Request {
    TimePoint due;
    std::uint32_t slot = 0;
    std::uint32_t symbol = 0;
    RequestId next = 0;  // on its connection
    bool done = false;
  };
  struct Connection {
    UniqueFd fd;
    enum class State { kClosed, kConnecting, kOpen } state = State::kClosed;
    bool in_flight = false;        // the request at `head` was sent
    bool wants_write = false;      // registered for EPOLLOUT
    std::uint32_t generation = 0;  // of the socket: events of an earlier one are void
    int failures = 0;              // connects that failed in a row
    TimePoint retry_at{};
    RequestId head = 0, tail = 0;  // requests due, the oldest first
    std::string unsent;
    std::string received;  // of an incomplete response
    HttpResponseParser parser;
  };

  Request& At(RequestId id) { return requests_[id - first_id_]; }
  Result<void> Wait(TimePoint until, TimePoint& now);
  TimePoint NextWake(bool emitting) const;
  bool EmitDue(TimePoint end);
  void Emit(const Arrival& arrival, TimePoint due, TimePoint now);
  std::uint32_t IndexOf(std::uint32_t slot) const;  // of its connection
  // That slot, or one of the same user whose connection is free.
  std::uint32_t FreeSlot(std::uint32_t slot) const;
  void Expire(TimePoint now);
  void Publish(TimePoint now);

  Result<void> Open(std::uint32_t index);
  void Reopen(TimePoint now);
  void Lose(std::uint32_t index, TimePoint now);
  void Watch(std::uint32_t index, bool writable, int operation);
  void HandleEvent(std::uint32_t index, std::uint32_t events, TimePoint now);
  void FinishConnect(std::uint32_t index, TimePoint now);
  void Send(std::uint32_t index, TimePoint now);
  void SendRest(std::uint32_t index, TimePoint now);
  void Receive(std::uint32_t index, TimePoint now);
  void Complete(std::uint32_t index, const HttpResponse& response, TimePoint now);
  void FinishHead(Connection& connection);

  bool Measured(const Request& request) const { return request.due >= measure_from_; }
  std::size_t TierOf(const Request& request) const;
  // Index of the report's window in which it was due; beyond all if there are none. REQUIRES: Measured(request).
  std::size_t WindowOf(const Request& request) const;

  const LoadPlan& plan_;
  const std::size_t thread_;
  Schedule schedule_;
  UniqueFd epoll_;
  std::vector<Connection> connections_;
  std::vector<std::uint32_t> lost_;  // connections to open again
  std::deque<Request> requests_;     // by due time; bounded by rate x timeout, since the expired leave
  RequestId first_id_ = 1;           // of requests_.front()
  Arrival next_;
  TimePoint start_, measure_from_;
  Duration measured_{};
  std::string head_;
  std::vector<char> buffer_;
  std::size_t opening_ = 0;
  std::string connect_error_;
  LoadStats stats_;
  bool measuring_ = false;
  Duration cpu_before_{};
  TimePoint publish_at_;
  mutable Mutex progress_mutex_;
  LoadStats progress_ GUARDED_BY(progress_mutex_);
};

}  // namespace punctual::load
