#include "load/generator.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace punctual::load {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxOpening = 64;  // connects under way at once: beyond a server's backlog they wait a second
constexpr int kMaxBurst = 64;            // requests sent before responses are looked at again
constexpr int kMaxEvents = 256;
constexpr int kMaxFirstFailures = 5;
constexpr auto kConnectTimeout = seconds(10);

Duration ThreadCpu() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return seconds(time.tv_sec) + Duration(time.tv_nsec);
}

Error SystemError(const char* what) {
  return Fail(Code::kInternal, std::string("load generator: ") + what + ": " + std::strerror(errno));
}

std::vector<std::uint32_t> SlotsOf(const LoadPlan& plan, std::size_t thread) {
  std::vector<std::uint32_t> slots;
  for (std::uint32_t slot = 0; slot < plan.slots; ++slot)
    if (slot % plan.connections % static_cast<std::size_t>(plan.options.threads) == thread) slots.push_back(slot);
  return slots;
}

Schedule MakeSchedule(const LoadPlan& plan, std::size_t thread) {
  std::vector<std::uint32_t> slots = SlotsOf(plan, thread);
  const double share = static_cast<double>(slots.size()) / static_cast<double>(plan.slots);
  const double phase = static_cast<double>(thread) / plan.options.threads;
  return {plan.options.rate * share,
          plan.options.arrivals,
          phase,
          std::move(slots),
          ZipfSampler(plan.options.symbols.size(), plan.options.zipf),
          plan.options.seed + thread};
}

}  // namespace

Generator::Generator(const LoadPlan& plan, std::size_t thread)
    : plan_(plan),
      thread_(thread),
      schedule_(MakeSchedule(plan, thread)),
      buffer_(64u << 10),
      stats_(plan.options.tiers.size(), plan.limits.size(), plan.windows),
      progress_(stats_) {
  const auto threads = static_cast<std::size_t>(plan.options.threads);
  connections_.resize((plan.connections - thread + threads - 1) / threads);
  for (std::uint32_t i = 0; i < connections_.size(); ++i) lost_.push_back(i);
}

Result<void> Generator::Connect() {
  epoll_.Reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return SystemError("epoll_create1");
  TimePoint now = Clock::now();
  const TimePoint deadline = now + kConnectTimeout;
  while (!lost_.empty() || opening_ > 0) {
    Reopen(now);
    PUNCTUAL_TRY(Wait(std::min(NextWake(false), deadline), now));
    const bool refused = std::any_of(connections_.begin(), connections_.end(),
                                     [](const Connection& c) { return c.failures >= kMaxFirstFailures; });
    if (!refused && now < deadline && !plan_.stop) continue;
    const std::string why = connect_error_.empty() ? "the server does not take as many" : connect_error_;
    return Fail(Code::kUnavailable, std::to_string(lost_.size() + opening_) + " of " +
                                        std::to_string(connections_.size()) +
                                        " connections could not be opened: " + why);
  }
  for (Connection& connection : connections_) connection.failures = 0;
  return {};
}

Result<void> Generator::Run(TimePoint start) {
  // The kernel may fire timers 50 µs late by default, which would count as the server's latency.
  ::prctl(PR_SET_TIMERSLACK, 1ul);
  start_ = start;
  measure_from_ = start + plan_.options.warmup;
  publish_at_ = start + seconds(1);
  const TimePoint end = measure_from_ + plan_.options.duration;
  next_ = schedule_.Next();
  measured_ = plan_.options.duration;
  bool emitting = true;
  TimePoint now = Clock::now();
  for (;;) {
    if (emitting && plan_.stop) {
      emitting = false;
      measured_ = std::max(now - measure_from_, Duration{});
    }
    if (emitting) emitting = EmitDue(end);
    now = Clock::now();
    Expire(now);
    Reopen(now);
    if (now >= publish_at_) Publish(now);
    if (!emitting && requests_.empty()) break;
    PUNCTUAL_TRY(Wait(NextWake(emitting), now));
  }
  if (measuring_) stats_.cpu = ThreadCpu() - cpu_before_;
  Publish(now);
  return {};
}

// False when there is nothing left to send before `end`.
bool Generator::EmitDue(TimePoint end) {
  for (int burst = 0; burst < kMaxBurst; ++burst) {
    const TimePoint due = start_ + next_.due;
    if (due >= end) return false;
    const TimePoint now = Clock::now();
    if (due > now) return true;
    Emit(next_, due, now);
    next_ = schedule_.Next();
  }
  return true;
}

std::uint32_t Generator::IndexOf(std::uint32_t slot) const {
  return static_cast<std::uint32_t>(slot % plan_.connections / static_cast<std::size_t>(plan_.options.threads));
}

std::uint32_t Generator::FreeSlot(std::uint32_t slot) const {
  const auto free = [this](std::uint32_t candidate) {
    const Connection& connection = connections_[IndexOf(candidate)];
    return connection.state == Connection::State::kOpen && connection.head == 0;
  };
  if (free(slot)) return slot;
  const auto users = static_cast<std::uint32_t>(plan_.options.users.size());
  for (std::uint32_t other = slot % users; other < plan_.connections; other += users)
    if (other % static_cast<std::size_t>(plan_.options.threads) == thread_ && free(other)) return other;
  return slot;
}

void Generator::Emit(const Arrival& arrival, TimePoint due, TimePoint now) {
  const RequestId id = first_id_ + requests_.size();
  const std::uint32_t slot = FreeSlot(arrival.slot);
  const Request& request = requests_.emplace_back(Request{.due = due, .slot = slot, .symbol = arrival.symbol});
  if (Measured(request)) {
    if (!measuring_) cpu_before_ = ThreadCpu();
    measuring_ = true;
    stats_.RecordSent(TierOf(request), WindowOf(request));
    stats_.lateness.Record(now - due);
  }
  const std::uint32_t index = IndexOf(slot);
  Connection& connection = connections_[index];
  if (connection.tail != 0) At(connection.tail).next = id;
  connection.tail = id;
  if (connection.head == 0) connection.head = id;
  if (connection.state == Connection::State::kOpen && !connection.in_flight) Send(index, now);
}

// Takes away what is done, and gives up what had no response for too long.
void Generator::Expire(TimePoint now) {
  while (!requests_.empty()) {
    Request& oldest = requests_.front();
    if (!oldest.done) {
      if (now < oldest.due + plan_.options.timeout) return;
      // What was due before it is gone, so it is the first on its connection.
      const std::uint32_t index = IndexOf(oldest.slot);
      if (Measured(oldest)) stats_.RecordTimeOut(WindowOf(oldest));
      const bool sent = std::exchange(connections_[index].in_flight, false);
      FinishHead(connections_[index]);
      // Its response would be taken for that of the next request.
      if (sent) Lose(index, now);
    }
    requests_.pop_front();
    ++first_id_;
  }
}

TimePoint Generator::NextWake(bool emitting) const {
  TimePoint wake = Clock::now() + milliseconds(100);  // to see plan_.stop
  if (emitting) wake = std::min(wake, start_ + next_.due);
  if (!requests_.empty()) wake = std::min(wake, requests_.front().due + plan_.options.timeout);
  if (opening_ < kMaxOpening)
    for (const std::uint32_t index : lost_) wake = std::min(wake, connections_[index].retry_at);
  return wake;
}

Result<void> Generator::Wait(TimePoint until, TimePoint& now) {
  const Duration left = std::max(until - Clock::now(), Duration{});
  const timespec timeout{.tv_sec = left.count() / 1'000'000'000, .tv_nsec = left.count() % 1'000'000'000};
  std::array<epoll_event, kMaxEvents> events;
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), kMaxEvents, &timeout, nullptr);
  if (count < 0 && errno != EINTR) return SystemError("epoll_pwait2 (Linux 5.11 or newer has it)");
  // What is reported was there by now, so that one look at the clock is right for all of it.
  now = Clock::now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto index = static_cast<std::uint32_t>(event.data.u64);
    if (connections_[index].generation == event.data.u64 >> 32) HandleEvent(index, event.events, now);
  }
  return {};
}

std::size_t Generator::TierOf(const Request& request) const {
  return plan_.options.users[request.slot % plan_.options.users.size()].tier;
}

std::size_t Generator::WindowOf(const Request& request) const {
  if (plan_.windows == 0) return 0;
  return static_cast<std::size_t>((request.due - measure_from_) / plan_.options.report_window);
}

void Generator::Publish(TimePoint now) {
  publish_at_ = now + seconds(1);
  MutexLock lock(progress_mutex_);
  progress_ = stats_;
}

LoadStats Generator::Progress() const {
  MutexLock lock(progress_mutex_);
  return progress_;
}

// ---- Connections

void Generator::Reopen(TimePoint now) {
  if (lost_.empty()) return;
  std::vector<std::uint32_t> later;
  for (const std::uint32_t index : std::exchange(lost_, {})) {
    if (opening_ >= kMaxOpening || now < connections_[index].retry_at) {
      later.push_back(index);
    } else if (auto opened = Open(index); opened.has_error()) {
      connect_error_ = opened.error().message;
      Lose(index, now);
    }
  }
  lost_.insert(lost_.end(), later.begin(), later.end());
}

Result<void> Generator::Open(std::uint32_t index) {
  Connection& connection = connections_[index];
  PUNCTUAL_ASSIGN(connection.fd, StartConnect(plan_.address));
  connection.state = Connection::State::kConnecting;
  ++opening_;
  Watch(index, true, EPOLL_CTL_ADD);
  return {};
}

// Closes the connection, to be opened again: at once after a response, later and later if there is none.
void Generator::Lose(std::uint32_t index, TimePoint now) {
  Connection& connection = connections_[index];
  if (connection.state == Connection::State::kConnecting) --opening_;
  if (connection.in_flight) {
    if (const Request& lost = At(connection.head); Measured(lost)) stats_.RecordConnectionLost(WindowOf(lost));
    FinishHead(connection);
  }
  connection.fd.Reset();
  connection.state = Connection::State::kClosed;
  connection.in_flight = connection.wants_write = false;
  ++connection.generation;
  connection.unsent.clear();
  connection.received.clear();
  connection.parser = HttpResponseParser();
  const int failures = connection.failures++;
  connection.retry_at =
      failures == 0 ? now : now + std::min(milliseconds(10 << std::min(failures, 7)), milliseconds(1000));
  lost_.push_back(index);
}

void Generator::Watch(std::uint32_t index, bool writable, int operation) {
  Connection& connection = connections_[index];
  connection.wants_write = writable;
  epoll_event event{};
  event.events = EPOLLIN | (writable ? static_cast<std::uint32_t>(EPOLLOUT) : 0u);
  event.data.u64 = static_cast<std::uint64_t>(connection.generation) << 32 | index;
  ::epoll_ctl(epoll_.get(), operation, connection.fd.get(), &event);
}

void Generator::HandleEvent(std::uint32_t index, std::uint32_t events, TimePoint now) {
  Connection& connection = connections_[index];
  if (connection.state == Connection::State::kConnecting) return FinishConnect(index, now);
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) Receive(index, now);
  if ((events & EPOLLOUT) != 0 && connection.state == Connection::State::kOpen && connection.wants_write)
    SendRest(index, now);
}

void Generator::FinishConnect(std::uint32_t index, TimePoint now) {
  Connection& connection = connections_[index];
  if (auto outcome = ConnectError(plan_.address, connection.fd); outcome.has_error()) {
    connect_error_ = outcome.error().message;
    return Lose(index, now);
  }
  connection.state = Connection::State::kOpen;
  --opening_;
  Watch(index, false, EPOLL_CTL_MOD);
  if (connection.head != 0) Send(index, now);
}

void Generator::Send(std::uint32_t index, TimePoint now) {
  Connection& connection = connections_[index];
  const Request& request = At(connection.head);
  const std::string_view content = plan_.requests.Content(request.symbol, request.due - start_);
  plan_.requests.WriteHead(request.slot % plan_.options.users.size(), request.symbol, content.size(), head_);
  std::array<std::string_view, 3> parts = {head_, content, plan_.requests.tail()};
  std::array<iovec, 3> pieces;
  for (std::size_t i = 0; i < parts.size(); ++i)
    pieces[i] = {.iov_base = const_cast<char*>(parts[i].data()), .iov_len = parts[i].size()};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  connection.in_flight = true;
  const ssize_t sent = ::sendmsg(connection.fd.get(), &message, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return Lose(index, now);
  auto skip = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
  for (const std::string_view part : parts) {
    const std::size_t gone = std::min(skip, part.size());
    skip -= gone;
    connection.unsent.append(part.substr(gone));
  }
  if (!connection.unsent.empty()) Watch(index, true, EPOLL_CTL_MOD);
}

void Generator::SendRest(std::uint32_t index, TimePoint now) {
  Connection& connection = connections_[index];
  const ssize_t sent = ::send(connection.fd.get(), connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return;
  if (sent < 0) return Lose(index, now);
  connection.unsent.erase(0, static_cast<std::size_t>(sent));
  if (connection.unsent.empty()) Watch(index, false, EPOLL_CTL_MOD);
}

void Generator::Receive(std::uint32_t index, TimePoint now) {
  Connection& connection = connections_[index];
  const ssize_t count = ::recv(connection.fd.get(), buffer_.data(), buffer_.size(), 0);
  if (count < 0 && errno == EAGAIN) return;
  // Bytes that nobody asked for are no response to anything.
  if (count <= 0 || !connection.in_flight) return Lose(index, now);
  std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
  if (!connection.received.empty()) bytes = connection.received.append(bytes);
  auto response = connection.parser.Parse(bytes);
  if (response.has_error()) {
    if (const Request& request = At(connection.head); Measured(request)) stats_.RecordGarbage(WindowOf(request));
    FinishHead(connection);
    connection.in_flight = false;
    return Lose(index, now);
  }
  if (!response.value()) {
    if (connection.received.empty()) connection.received = bytes;
    return;
  }
  const bool reusable = !response.value()->close && response.value()->size == bytes.size() && connection.unsent.empty();
  Complete(index, *response.value(), now);
  connection.received.clear();
  if (!reusable) return Lose(index, now);
  if (connection.head != 0) Send(index, now);
}

void Generator::Complete(std::uint32_t index, const HttpResponse& response, TimePoint now) {
  Connection& connection = connections_[index];
  const Request& request = At(connection.head);
  if (Measured(request)) {
    if (response.status >= 200 && response.status < 300) {
      const std::size_t tier = TierOf(request);
      stats_.RecordAnswer(plan_.options.tiers[tier], tier, WindowOf(request), now - request.due, plan_.limits,
                          response.body);
    } else {
      stats_.RecordError(WindowOf(request), response.status, response.body);
    }
  }
  connection.failures = 0;
  connection.in_flight = false;
  FinishHead(connection);
}

void Generator::FinishHead(Connection& connection) {
  Request& request = At(connection.head);
  request.done = true;
  connection.head = request.next;
  if (connection.head == 0) connection.tail = 0;
}

}  // namespace punctual::load
