// One thread of the server, with the connections it was given. Connections live and work on one thread alone; what
// others finish for them comes here.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "server/http/api.h"
#include "server/http/exchange.h"
#include "server/http/server_state.h"
#include "server/http/spin.h"

namespace punctual::http {

class IoThread {
 public:
  // `spin`: how long it may look for more before it sleeps (http/spin.h).
  IoThread(ServerState& state, int number, Duration spin);
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;
  // REQUIRES: Stop() was called, if Start() was.
  ~IoThread();

  void Start();
  // Ends the thread. REQUIRES: in_flight() == 0.
  void Stop();

  // From any thread.
  void Adopt(int fd, int family, PeerPlaces::Place place);
  void Finish(Exchange& exchange);
  void BeginShutdown();
  void CloseAll();
  // Requests whose answers are not ready.
  int in_flight() const { return in_flight_.load(); }

  // From this thread alone.
  net::io_context& context() { return context_; }
  ServerState& state() { return state_; }
  Api& api() { return api_; }
  void BeginExchange() { in_flight_.fetch_add(1); }
  // The connection is closed; it may live on in handlers that have not run yet.
  void Forget(Connection& connection);

 private:
  void Run();
  void RunSpinning();
  bool LookForMore(Spin& spin);
  void SweepLater();
  void DrainFinished();
  void OnFinished(Exchange& exchange);

  ServerState& state_;
  const int number_;
  const Duration spin_;
  net::io_context context_{1};
  Api api_;
  net::basic_waitable_timer<std::chrono::steady_clock, net::wait_traits<std::chrono::steady_clock>,
                            net::io_context::executor_type>
      sweep_;
  std::vector<std::shared_ptr<Connection>> connections_;  // each knows its place
  std::vector<std::shared_ptr<Connection>> swept_;
  std::atomic<int> in_flight_ = 0;
  // A stack that others push on and this thread takes whole: no lock, no allocation, one wake-up for many.
  std::atomic<Exchange*> finished_ = nullptr;
  std::atomic<int> finishing_ = 0;  // threads inside Finish(): the context must outlive their wake-up call
  std::thread thread_;
};

}  // namespace punctual::http
