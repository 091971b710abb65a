// Who holds what: CLUSTER SLOTS, one Redis, redirections. All on the redis thread.
#include <valkey/valkey.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "cache/redis/client.h"

namespace punctual::redis {
namespace {

constexpr Duration kRefreshGap = std::chrono::milliseconds(100);       // between two refreshes, at least
constexpr Duration kRefreshPatience = std::chrono::milliseconds(500);  // for a reply, then another node is asked
constexpr Duration kRefreshInterval = std::chrono::seconds(10);        // with nothing the matter
// While a master is away its slots may be given to another at any moment, and nobody tells.
constexpr Duration kUnsettledMin = std::chrono::milliseconds(250);
constexpr Duration kUnsettledMax = std::chrono::seconds(2);

}  // namespace

SlotMap::Node Client::IndexOf(const Address& address) {
  std::size_t free = nodes_.size();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i] == nullptr)
      free = std::min(free, i);
    else if (nodes_[i]->address == address)
      return static_cast<SlotMap::Node>(i);
  }
  if (free >= kMaxNodes) return kNoNode;
  if (free == nodes_.size()) nodes_.emplace_back();
  nodes_[free] = std::make_shared<Node>(io_, address, options_.breaker, random_());
  boost::asio::post(io_, [this, node = nodes_[free]] {
    if (node->phase == Node::Phase::kResting) StartConnecting(node);
  });
  return static_cast<SlotMap::Node>(free);
}

void Client::RequestRefresh() {
  refresh_wanted_ = true;
  unsettled_pause_ = kUnsettledMin;
  if (refresh_asked_ == nullptr)
    ScheduleRefresh(std::max(Duration::zero(), Duration(refreshed_ + kRefreshGap - Now())));
}

void Client::ScheduleRefresh(Duration from_now) {
  {
    MutexLock lock(mutex_);
    if (stopping_) return;
  }
  refresh_timer_.expires_after(from_now);
  refresh_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && refresh_timer_.expiry() <= Now()) Refresh();
  });
}

void Client::Refresh() {
  NodePtr asked;
  {
    MutexLock lock(mutex_);
    std::size_t seen = 0;
    for (const NodePtr& node : nodes_)
      if (node != nullptr && node->breaker.admits() && random_() % ++seen == 0) asked = node;
  }
  // A reply that has not come by now is not waited for any more: the sequence differs.
  ++refresh_sequence_;
  refresh_wanted_ = false;
  refreshed_ = Now();
  refresh_asked_ = asked;
  if (asked == nullptr) return;  // the first node that comes up asks
  ScheduleRefresh(kRefreshPatience);
  std::string command;
  AppendCommand(command, {"CLUSTER", "SLOTS"});
  SendToNode(asked, command, MakeTicket(Kind::kSlots, refresh_sequence_));
}

void Client::OnSlots(const NodePtr& node, Completion& completion) {
  if (completion.ticket != MakeTicket(Kind::kSlots, refresh_sequence_) || refresh_asked_ == nullptr) return;
  refresh_asked_ = nullptr;
  if (completion.reply != nullptr) {
    const auto ranges = ParseClusterSlots(*completion.reply, node->address);
    if (ranges) {
      Apply(*ranges);
    } else {
      const std::string_view text = completion.reply->str == nullptr ? "" : completion.reply->str;
      MutexLock lock(mutex_);
      // Redis without a cluster, or one that does not let us see it. One of its own among a cluster's nodes is left
      // out.
      const bool cluster_works = mode_ == Mode::kCluster && available_.load(std::memory_order_relaxed);
      if (!text.starts_with("LOADING") && !text.starts_with("CLUSTERDOWN") && !cluster_works) mode_ = Mode::kSingle;
      UpdateAvailable();
    }
  }
  const Duration next = refresh_wanted_ || completion.reply == nullptr ? kRefreshGap : NextRefresh();
  ScheduleRefresh(next);
}

Duration Client::NextRefresh() {
  MutexLock lock(mutex_);
  bool settled = mode_ == Mode::kSingle || !slots_.empty();
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (nodes_[i] != nullptr && nodes_[i]->role == Node::Role::kMaster)
      settled &= Admitting(static_cast<SlotMap::Node>(i)) != nullptr;
  if (settled) return kRefreshInterval;
  const Duration pause = std::clamp(unsettled_pause_, kUnsettledMin, kUnsettledMax);
  unsettled_pause_ = 2 * pause;
  return pause;
}

void Client::Apply(const std::vector<SlotRange>& ranges) {
  std::vector<NodePtr> gone;
  {
    MutexLock lock(mutex_);
    for (const NodePtr& node : nodes_)
      if (node != nullptr) node->role = Node::Role::kNone;
    SlotMap slots;
    for (const SlotRange& range : ranges) {
      SlotMap::Shard shard{IndexOf(range.master), {}};
      if (shard.master == kNoNode) continue;
      nodes_[shard.master]->role = Node::Role::kMaster;
      for (const Address& address : range.replicas) {
        const SlotMap::Node replica = IndexOf(address);
        if (replica == kNoNode) continue;
        nodes_[replica]->role = Node::Role::kReplica;
        shard.replicas.push_back(replica);
      }
      slots.Assign(range.first, range.last, std::move(shard));
    }
    slots_ = std::move(slots);
    mode_ = Mode::kCluster;
    for (NodePtr& node : nodes_) {
      if (node == nullptr || node->seed || node->role != Node::Role::kNone) continue;
      gone.push_back(std::move(node));
      node = nullptr;
    }
    UpdateAvailable();
  }
  for (const NodePtr& node : gone) {
    node->phase = Node::Phase::kGone;
    node->timer.cancel();
    CloseConnection(node);
  }
}

}  // namespace punctual::redis
