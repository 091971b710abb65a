// A node's life: connecting, probing, pinging, failing. All on the redis thread.
#include <valkey/valkey.h>

#include <boost/asio/ip/address.hpp>

#include "cache/redis/client.h"

namespace punctual::redis {
namespace {

// A PING that takes longer does not close a breaker: a node that is up but slow stays alone.
constexpr int kProbeBound = 2;  // times `timeout`
// PINGs in a row that decide: the first sample of an estimate says little, and would say it for seconds.
constexpr int kProbes = 8;

}  // namespace

void Client::SetTimer(const NodePtr& node, Node::Phase phase, TimePoint when) {
  node->phase = phase;
  node->timer.expires_at(when);
  node->timer.async_wait([this, node](const boost::system::error_code& error) {
    // An expiry that was queued when the timer was set anew comes without an error.
    if (!error && node->timer.expiry() <= Now()) OnNodeTimer(node);
  });
}

void Client::StartConnecting(const NodePtr& node) {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
    node->breaker.OnProbeStarted();
  }
  SetTimer(node, Node::Phase::kConnecting, Now() + options_.connect_timeout);
  const std::uint64_t attempt = ++node->attempt;
  boost::system::error_code not_numeric;
  boost::asio::ip::make_address(node->address.host, not_numeric);
  if (!not_numeric) return Connect(node, node->address.host);
  resolver_.async_resolve(node->address.host, std::to_string(node->address.port),
                          [this, node, attempt](const boost::system::error_code& error, const auto& found) {
                            if (node->attempt != attempt || node->phase != Node::Phase::kConnecting) return;
                            if (error || found.empty()) return FailNode(node, "name: " + error.message());
                            Connect(node, found.begin()->endpoint().address().to_string());
                          });
}

void Client::Connect(const NodePtr& node, const std::string& ip) {
  auto connection = Connection::Open(io_, ip, node->address.port, node->address.host, tls_.get(), *this);
  if (connection.has_error()) return FailNode(node, connection.error().message);
  MutexLock lock(mutex_);
  node->connection = std::move(connection).value();
}

void Client::OnConnected(Connection& connection) {
  const NodePtr node = NodeOf(connection);
  if (node == nullptr) return;
  std::string command;
  if (!options_.password.empty()) {
    if (options_.username.empty())
      AppendCommand(command, {"AUTH", options_.password});
    else
      AppendCommand(command, {"AUTH", options_.username, options_.password});
    connection.Submit(command, MakeTicket(Kind::kAuth));
  }
  command.clear();
  AppendCommand(command, {"READONLY"});
  if (options_.read_from_replicas) connection.Submit(command, MakeTicket(Kind::kReadOnly));
  SendPing(node, Kind::kHello);
}

void Client::SendPing(const NodePtr& node, Kind kind) {
  node->ping_sent = Now();
  SendToNode(node, "*1\r\n$4\r\nPING\r\n", MakeTicket(kind));
}

void Client::OnLost(Connection& connection, const std::string& error) {
  if (const NodePtr node = NodeOf(connection)) FailNode(node, error);
}

void Client::OnNodeReply(const NodePtr& node, Completion& completion) {
  const Kind kind = KindOf(completion.ticket);
  if (kind == Kind::kSlots) return OnSlots(node, completion);
  // A plain Redis knows no READONLY, and ASKING's answer is that of the command after it.
  if (kind == Kind::kReadOnly || kind == Kind::kAsking) return;
  if (completion.reply == nullptr) return;  // OnLost comes as well
  if (completion.reply->type == VALKEY_REPLY_ERROR) {
    const std::string_view text(completion.reply->str, completion.reply->len);
    return FailNode(node, kind == Kind::kAuth ? AuthRefusal(text) : Printable(text));
  }
  const Duration took = Now() - node->ping_sent;
  if (kind == Kind::kHello && node->phase == Node::Phase::kConnecting) {
    node->probes = 0;
    SetTimer(node, Node::Phase::kProbing, Now() + kProbeBound * options_.timeout);
    SendPing(node, Kind::kProbe);
  } else if (kind == Kind::kProbe && node->phase == Node::Phase::kProbing) {
    if (took > kProbeBound * options_.timeout || ++node->probes == kProbes) return OnProbed(node, took);
    AddSample(node, took);
    SetTimer(node, Node::Phase::kProbing, Now() + kProbeBound * options_.timeout);
    SendPing(node, Kind::kProbe);
  } else if (kind == Kind::kPing && node->phase == Node::Phase::kPinging) {
    OnPinged(node, took);
  }
}

void Client::OnProbed(const NodePtr& node, Duration took) {
  if (took > kProbeBound * options_.timeout) return FailNode(node, "PING was answered too late");
  SetTimer(node, Node::Phase::kUp, Now() + options_.ping_interval);
  {
    MutexLock lock(mutex_);
    node->breaker.OnProbed();
    ++stats_.connects;
    UpdateAvailable();
  }
  RequestRefresh();
}

void Client::AddSample(const NodePtr& node, Duration took) {
  MutexLock lock(mutex_);
  if (node->role == Node::Role::kReplica && !options_.read_from_replicas) return;
  node->look_up_time.Add(took);
  look_up_time_.Add(took);
}

void Client::OnPinged(const NodePtr& node, Duration took) {
  SetTimer(node, Node::Phase::kUp, Now() + options_.ping_interval);
  if (took <= options_.timeout) AddSample(node, took);
  bool opened = false;
  {
    MutexLock lock(mutex_);
    if (took > options_.timeout) {
      opened = node->breaker.OnFailure(Now());
    } else {
      node->breaker.OnPinged();
    }
    UpdateAvailable();
  }
  if (opened) FailNode(node, "look-ups and PINGs in a row were not answered in time");
}

void Client::OnNodeTimer(const NodePtr& node) {
  switch (node->phase) {
    case Node::Phase::kResting: return StartConnecting(node);
    case Node::Phase::kConnecting: return FailNode(node, "no connection in time");
    case Node::Phase::kProbing: return FailNode(node, "PING was not answered in time");
    case Node::Phase::kPinging: return FailNode(node, "PING was lost");
    case Node::Phase::kUp:
      SetTimer(node, Node::Phase::kPinging, Now() + options_.ping_interval);
      return SendPing(node, Kind::kPing);
    case Node::Phase::kGone: return;
  }
}

void Client::FailNode(const NodePtr& node, const std::string& why) {
  if (node->phase == Node::Phase::kGone) return;
  TimePoint retry_at;
  {
    MutexLock lock(mutex_);
    if (node->breaker.state() != Breaker::State::kOpen) node->breaker.Open(Now());
    retry_at = node->breaker.retry_at();
    node->last_error = why;
    UpdateAvailable();
  }
  // Before the connection goes: what it still owed comes back below, and may fail the node again.
  SetTimer(node, Node::Phase::kResting, retry_at);
  CloseConnection(node);
  if (refresh_asked_ == node) refresh_asked_ = nullptr;
  RequestRefresh();
}

void Client::CloseConnection(const NodePtr& node) {
  std::shared_ptr<Connection> connection;
  {
    MutexLock lock(mutex_);
    connection.swap(node->connection);
  }
  if (connection == nullptr) return;
  if (auto lost = connection->Close(); !lost.empty()) OnReplies(*connection, std::move(lost));
}

void Client::UpdateAvailable() {
  bool available = false;
  if (mode_ == Mode::kSingle) available = FirstSeed() != nullptr;
  if (mode_ == Mode::kCluster)
    for (const NodePtr& node : nodes_)
      available |=
          node != nullptr && node->breaker.admits() && node->connection != nullptr &&
          (node->role == Node::Role::kMaster || (node->role == Node::Role::kReplica && options_.read_from_replicas));
  available_.store(available, std::memory_order_relaxed);
  const Duration expected = !available              ? RedisCache::kNever
                            : look_up_time_.empty() ? options_.timeout
                                                    : look_up_time_.expected();
  expected_ns_.store(expected.count(), std::memory_order_relaxed);
}

void Client::SendToNode(const NodePtr& node, std::string_view command, Ticket ticket) {
  std::shared_ptr<Connection> connection;
  {
    MutexLock lock(mutex_);
    connection = node->connection;
  }
  if (connection != nullptr && connection->Submit(command, ticket)) return;
  std::vector<Completion> lost(1);
  lost[0].ticket = ticket;
  if (KindOf(ticket) == Kind::kScan) OnScanned(lost[0]);
  if (KindOf(ticket) == Kind::kUnlink) OnUnlinked(lost[0]);
  if (KindOf(ticket) == Kind::kSlots) OnSlots(node, lost[0]);
}

}  // namespace punctual::redis
