#include "cache/redis/client.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/threads.h"

namespace punctual::redis {

Client::Client(const RedisOptions& options)
    : options_(options),
      names_(io_, options.resolve ? options.resolve : ResolveBySystem),
      random_(std::random_device{}()),
      look_ups_(Kind::kLookUp, options.max_outstanding),
      writes_(Kind::kWrite, options.max_outstanding) {}

Result<std::unique_ptr<Client>> Client::Start(const RedisOptions& options) {
  std::unique_ptr<Client> client(new Client(options));
  if (options.tls) {
    PUNCTUAL_ASSIGN(client->tls_, TlsContext::Create(options.ca_file, options.cert_file, options.key_file));
  }
  PUNCTUAL_ASSIGN(client->alarm_, Alarm::Create(client->io_, [self = client.get()] { self->OnAlarm(); }));
  {
    MutexLock lock(client->mutex_);
    for (const std::string& text : options.nodes) client->nodes_[client->IndexOf(*ParseAddress(text))]->seed = true;
  }
  client->thread_ = std::thread([self = client.get()] { self->Run(); });
  return client;
}

Client::~Client() { Stop(); }

void Client::Stop() {
  if (!thread_.joinable()) return;
  boost::asio::post(io_, [this] { Shutdown(); });
  thread_.join();
}

void Client::Run() {
  NameThisThread("redis");
  ::prctl(PR_SET_TIMERSLACK, 1ul);
  ::sigset_t pipe;
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  alarm_->Listen();
  io_.run();
}

void Client::Shutdown() {
  std::vector<NodePtr> nodes;
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    nodes = nodes_;
  }
  alarm_->Cancel();
  refresh_timer_.cancel();
  names_.Stop();
  purge_timer_.cancel();
  purging_ = nullptr;
  for (PurgeJob& purge : purges_) purge.done(purge.dropped, "shutting down");
  purges_.clear();
  for (const NodePtr& node : nodes) {
    if (node == nullptr) continue;
    node->phase = Node::Phase::kGone;
    node->timer.cancel();
    CloseConnection(node);
  }
  work_.reset();
}

Client::NodePtr Client::Admitting(SlotMap::Node index) {
  const NodePtr& node = nodes_[index];
  return node != nullptr && node->breaker.admits() && node->connection != nullptr ? node : nullptr;
}

Client::NodePtr Client::FirstSeed() {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (NodePtr node = Admitting(static_cast<SlotMap::Node>(i)); node != nullptr && node->seed) return node;
  return nullptr;
}

Client::NodePtr Client::PickForWrite(const KeyText& key) {
  if (mode_ != Mode::kCluster) return mode_ == Mode::kSingle ? FirstSeed() : nullptr;
  const SlotMap::Shard* shard = slots_.ShardOf(KeySlot(key.view()));
  return shard == nullptr ? nullptr : Admitting(shard->master);
}

Client::NodePtr Client::PickForRead(const KeyText& key) {
  if (mode_ != Mode::kCluster || !options_.read_from_replicas) return PickForWrite(key);
  const SlotMap::Shard* shard = slots_.ShardOf(KeySlot(key.view()));
  if (shard == nullptr) return nullptr;
  for (std::size_t i = 0; i < shard->replicas.size(); ++i)
    if (NodePtr node = Admitting(shard->replicas[next_replica_++ % shard->replicas.size()])) return node;
  return Admitting(shard->master);
}

void Client::Get(const KeyText& key, TimePoint give_up_at, RedisCache::GetCallback callback) {
  const TimePoint now = Now();
  const TimePoint give_up = std::min(now + options_.timeout, give_up_at);
  std::shared_ptr<Connection> connection;
  Ticket ticket = 0;
  {
    MutexLock lock(mutex_);
    ++stats_.look_ups;
    NodePtr node = give_up <= now || stopping_ ? nullptr : PickForRead(key);
    LookUp* look_up = node == nullptr ? nullptr : look_ups_.Take(ticket);
    if (look_up == nullptr) {
      ++(node == nullptr ? stats_.skipped : stats_.over_bound);
    } else {
      connection = node->connection;
      ++node->outstanding;
      *look_up = {std::move(callback), key, std::move(node), now, give_up, false};
      deadlines_.Push(give_up, ticket);
      if (give_up < alarm_at_) {
        alarm_at_ = give_up;
        alarm_->Set(give_up);
      }
    }
  }
  if (connection == nullptr) return callback(RedisLookUp::kSkipped, {});
  static thread_local std::string command;
  command.clear();
  AppendCommand(command, {"GET", key.view()});
  if (!connection->Submit(command, ticket)) OnLostBeforeSending(ticket);
}

void Client::AppendWrite(std::string& out, const KeyText& key, Duration ttl, std::string_view record) {
  if (ttl <= Duration::zero()) return AppendCommand(out, {"UNLINK", key.view()});
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(ttl).count();
  AppendCommand(out, {"SET", key.view(), record, "PX", std::to_string(ms)});
}

void Client::Write(const KeyText& key, Duration ttl, std::string record) {
  std::shared_ptr<Connection> connection;
  Ticket ticket = 0;
  const bool removes = ttl <= Duration::zero(), too_large = record.size() > kMaxRecordBytes;
  static thread_local std::string command;
  command.clear();
  if (!too_large) AppendWrite(command, key, ttl, record);
  {
    MutexLock lock(mutex_);
    stats_.writes += !removes;
    NodePtr node = stopping_ || too_large ? nullptr : PickForWrite(key);
    PendingWrite* write = node == nullptr ? nullptr : writes_.Take(ticket);
    if (write == nullptr) {
      stats_.writes_dropped += !removes;
      return;
    }
    connection = node->connection;
    *write = {key, ttl, std::move(record), std::move(node), false};
  }
  if (!connection->Submit(command, ticket)) OnLostBeforeSending(ticket);
  if (command.capacity() > 1u << 20) command = {};
}

void Client::OnLostBeforeSending(Ticket ticket) {
  std::vector<Completion> lost(1);
  lost[0].ticket = ticket;
  Settle(std::move(lost));
}

RedisStats Client::Stats() const {
  MutexLock lock(mutex_);
  RedisStats stats = stats_;
  stats.cluster = mode_ == Mode::kCluster;
  stats.look_ups_outstanding = look_ups_.size();
  stats.writes_outstanding = writes_.size();
  for (const NodePtr& node : nodes_) {
    if (node == nullptr) continue;
    RedisNodeStats& to = stats.nodes.emplace_back();
    to.address = node->text;
    to.role = node->role == Node::Role::kMaster    ? "master"
              : node->role == Node::Role::kReplica ? "replica"
              : mode_ == Mode::kSingle             ? "single"
                                                   : "seed";
    switch (node->breaker.state()) {
      case Breaker::State::kConnecting: to.state = "connecting"; break;
      case Breaker::State::kClosed: to.state = "up"; break;
      case Breaker::State::kOpen: to.state = "open"; break;
      case Breaker::State::kHalfOpen: to.state = "half-open"; break;
    }
    to.outstanding = node->outstanding;
    to.look_up_time = node->look_up_time.mean();
    to.last_error = node->last_error;
    if (!node->last_error.empty()) to.last_error_age = Now() - node->last_error_at;
  }
  return stats;
}

}  // namespace punctual::redis
