// A node's life: connecting, probing, pinging, failing. All on the redis thread.
#include <valkey/valkey.h>

#include <boost/asio/ip/address.hpp>
#include <utility>

#include "cache/redis/client.h"

namespace punctual::redis {
namespace {

// A PING that takes longer does not close a breaker: a node that is up but slow stays alone.
constexpr int kProbeBound = 2;  // times `timeout`
// PINGs in a row that decide: the first sample of an estimate says little, and would say it for seconds.
constexpr int kProbes = 8;
constexpr Duration kAnnounceGap = std::chrono::seconds(10);

std::string RemedyFor(std::string_view error) {
  const auto has = [error](std::string_view part) { return error.find(part) != std::string_view::npos; };
  if (has("AUTH") || has("WRONGPASS")) return "check cache.redis.username and cache.redis.password";
  if (has("NOPERM")) return "let its user do GET, SET, UNLINK, SCAN, PING, READONLY and CLUSTER SLOTS";
  if (has("certificate") || has("TLS") || has("SSL")) return "check cache.redis.tls and its files";
  if (error.starts_with("name: ")) return "check cache.redis.nodes; it is tried again";
  return "see that Redis runs there; it is tried again";
}

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
  boost::system::error_code not_numeric;
  boost::asio::ip::make_address(node->address.host, not_numeric);
  if (!not_numeric) return Connect(node, node->address.host);
  if (!node->addresses.empty()) return ConnectToNext(node);
  // One that takes longer than an attempt is not asked for again: its answer serves the next.
  if (std::exchange(node->is_being_named, true)) return;
  names_.Start(node->address.host, [this, node](auto found) { OnNamed(node, std::move(found)); });
}

void Client::OnNamed(const NodePtr& node, Result<std::vector<std::string>> found) {
  node->is_being_named = false;
  if (found.has_value()) node->addresses = *std::move(found);
  if (node->phase != Node::Phase::kConnecting) return;
  if (found.has_error()) return FailNode(node, "name: " + Printable(found.error().message));
  ConnectToNext(node);
}

// An attempt tries one address, and the next attempt the next; then the name is resolved anew.
void Client::ConnectToNext(const NodePtr& node) {
  const std::string ip = std::move(node->addresses.front());
  node->addresses.erase(node->addresses.begin());
  Connect(node, ip);
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
  node->addresses.clear();
  Announce(node, true);
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
  if (opened) return FailNode(node, "look-ups and PINGs in a row were not answered in time");
  Announce(node, true);
}

void Client::OnNodeTimer(const NodePtr& node) {
  switch (node->phase) {
    case Node::Phase::kResting: return StartConnecting(node);
    case Node::Phase::kConnecting:
      return FailNode(node, node->is_being_named ? "name: not resolved in time" : "no connection in time");
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
    stats_.connects_failed += node->phase == Node::Phase::kConnecting || node->phase == Node::Phase::kProbing;
    if (node->breaker.state() != Breaker::State::kOpen) node->breaker.Open(Now());
    retry_at = node->breaker.retry_at();
    node->SetError(why);
    UpdateAvailable();
  }
  Announce(node, false);
  // Before the connection goes: what it still owed comes back below, and may fail the node again.
  SetTimer(node, Node::Phase::kResting, retry_at);
  CloseConnection(node);
  if (refresh_asked_ == node) refresh_asked_ = nullptr;
  RequestRefresh();
}

// Once a change, and not too often: a node that comes and goes must not fill the log. What was left out for that is
// said at its next PING or attempt.
void Client::Announce(const NodePtr& node, bool up) {
  const TimePoint now = Now();
  if (!options_.on_notice || node->said_up == up || (node->said_up && now < node->said_at + kAnnounceGap)) return;
  node->said_up = up;
  node->said_at = now;
  if (up) return options_.on_notice("cache.redis: " + node->text + " is up");
  std::string why;
  {
    MutexLock lock(mutex_);
    why = node->last_error;
  }
  options_.on_notice("cache.redis: " + node->text + ": " + why + "; " + RemedyFor(why));
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
