#include "server/http/io_thread.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/threads.h"
#include "server/http/connection.h"

namespace punctual::http {

namespace {

constexpr auto kSweepEvery = std::chrono::milliseconds(250);
thread_local const IoThread* this_io_thread = nullptr;

}  // namespace

IoThread::IoThread(ServerState& state, int number, Duration spin)
    : state_(state), number_(number), spin_(spin), api_(state), sweep_(context_) {}

IoThread::~IoThread() = default;

void IoThread::Start() {
  SweepLater();  // the timer is also what keeps the context from running dry
  thread_ = std::thread([this] { Run(); });
}

void IoThread::Run() {
  NameThisThread("http-" + std::to_string(number_));
  this_io_thread = this;
  if (spin_ > Duration::zero())
    RunSpinning();
  else
    context_.run();
}

void IoThread::RunSpinning() {
  Spin spin(spin_);
  while (context_.run_one() > 0) {  // sleeps if nothing is ready
    if (!spin.ShouldLook(std::chrono::steady_clock::now())) continue;
    context_.poll();  // what else was ready
    while (LookForMore(spin) && spin.ShouldLook(std::chrono::steady_clock::now())) {
    }
  }
}

// False: nothing came, or the context was stopped.
bool IoThread::LookForMore(Spin& spin) {
  const TimePoint began = std::chrono::steady_clock::now();
  TimePoint now = began;
  bool found = false;
  while (!found && now < began + spin.limit()) {
    now = std::chrono::steady_clock::now();  // before what it finds is handled
    found = context_.poll() > 0;
  }
  spin.Looked(found, began, now);
  state_.spins->Count(found, now - began);
  return found;
}

void IoThread::Stop() {
  if (!thread_.joinable()) return;
  while (finishing_.load() != 0) std::this_thread::yield();
  context_.stop();
  thread_.join();
  // What was posted and not run any more: sockets that came in last.
  context_.restart();
  context_.poll();
}

void IoThread::Adopt(int fd, int family, PeerPlaces::Place place) {
  net::post(context_, [this, fd, family, taken = std::move(place)]() mutable {
    auto connection = std::make_shared<Connection>(*this, std::move(taken));
    if (state_.stopping.load() || !connection->Open(fd, family)) {
      ::close(fd);
      state_.connections->fetch_sub(1);
      return;
    }
    connection->registry_index = connections_.size();
    connections_.push_back(std::move(connection));
    connections_.back()->Start();
  });
}

void IoThread::Forget(Connection& connection) {
  const std::size_t at = connection.registry_index;
  const auto keep = std::move(connections_[at]);
  if (at + 1 != connections_.size()) {
    connections_[at] = std::move(connections_.back());
    connections_[at]->registry_index = at;
  }
  connections_.pop_back();
  state_.connections->fetch_sub(1);
}

void IoThread::Finish(Exchange& exchange) {
  if (exchange.prediction) exchange.ready_at = std::chrono::steady_clock::now();
  // An answer given at once, inside the handling of its own request: the connection is about to look for it. Any other
  // goes through the list, also one for another connection of this thread, so that none works inside another's call.
  if (this_io_thread == this && exchange.connection->handling()) return OnFinished(exchange);
  finishing_.fetch_add(1);
  Exchange* head = finished_.load(std::memory_order_relaxed);
  do {
    exchange.next_finished = head;
  } while (!finished_.compare_exchange_weak(head, &exchange, std::memory_order_release, std::memory_order_relaxed));
  if (head == nullptr) net::post(context_, [this] { DrainFinished(); });
  finishing_.fetch_sub(1);
}

void IoThread::DrainFinished() {
  Exchange* exchange = finished_.exchange(nullptr, std::memory_order_acquire);
  while (exchange != nullptr) {
    Exchange* const next = exchange->next_finished;
    OnFinished(*exchange);
    exchange = next;
  }
}

void IoThread::OnFinished(Exchange& exchange) {
  const std::shared_ptr<Connection> connection = std::move(exchange.connection);
  in_flight_.fetch_sub(1);
  connection->OnFinished(exchange);
}

void IoThread::SweepLater() {
  sweep_.expires_after(kSweepEvery);
  sweep_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    swept_ = connections_;  // closing one moves another to its place
    const TimePoint now = std::chrono::steady_clock::now();
    for (const auto& connection : swept_) connection->Sweep(now);
    swept_.clear();
    SweepLater();
  });
}

void IoThread::BeginShutdown() {
  net::post(context_, [this] {
    const auto connections = connections_;
    for (const auto& connection : connections) connection->BeginShutdown();
  });
}

void IoThread::CloseAll() {
  net::post(context_, [this] {
    const auto connections = connections_;
    for (const auto& connection : connections) connection->Close();
  });
}

}  // namespace punctual::http
