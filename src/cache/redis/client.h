// RedisCache's inside: look-ups and writes under way, the nodes, the slot map, the thread.
//
// One thread (the io_context's) reads replies, keeps time, connects, and makes all decisions about nodes; the threads
// that ask choose a node under mutex_ (no system call but the alarm's), then write to its connection without it. Users'
// callbacks run with no lock held. Locks: mutex_ is never held while a Connection is called.
//
//   client.cc           asking: Get, Write, choosing nodes, statistics
//   client_replies.cc   what comes back: results, redirections, time-outs
//   client_nodes.cc     a node's life: connecting, probing, pinging, failing
//   client_topology.cc  who holds what: CLUSTER SLOTS, one Redis, MOVED
//   client_purge.cc     SCAN and UNLINK in the background
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <list>
#include <optional>
#include <set>
#include <thread>

#include "cache/redis/alarm.h"
#include "cache/redis/name_look_ups.h"
#include "cache/redis/node.h"
#include "cache/redis/redis_cache.h"
#include "cache/redis/slot_map.h"

namespace punctual::redis {

inline constexpr std::size_t kMaxNodes = 1024;  // that we connect to
// Larger records are not kept. A reply is read whole before we see it, so that its size is bounded as well
// (kMaxReplyBytes), and a lost connection is a high price for one answer.
inline constexpr std::size_t kMaxRecordBytes = 1u << 20;
inline constexpr SlotMap::Node kNoNode = 0xFFFF;

class Client final : private ConnectionEvents {
 public:
  // REQUIRES: Validate(options).
  static Result<std::unique_ptr<Client>> Start(const RedisOptions& options);
  ~Client() override;
  // What the destructor does, for one who still needs the object: afterwards everything is skipped. By one thread.
  void Stop();

  const RedisOptions& options() const { return options_; }
  void Get(const KeyText& key, TimePoint give_up_at, RedisCache::GetCallback callback);
  // A ttl of zero removes the key.
  void Write(const KeyText& key, Duration ttl, std::string record);
  void Purge(std::string pattern, Duration longest_ttl, RedisCache::PurgeCallback done);
  Duration expected() const { return Duration(expected_ns_.load(std::memory_order_relaxed)); }
  bool available() const { return available_.load(std::memory_order_relaxed); }
  RedisStats Stats() const;

 private:
  using NodePtr = std::shared_ptr<Node>;
  struct LookUp {
    RedisCache::GetCallback callback;
    KeyText key;
    NodePtr node;  // asked
    TimePoint sent{}, give_up{};
    bool redirected = false;
  };
  struct PendingWrite {
    KeyText key;
    Duration ttl{};
    std::string record;
    NodePtr node;
    bool redirected = false;
  };
  struct Finished {  // a callback to call once no lock is held
    RedisCache::GetCallback callback;
    RedisLookUp result = RedisLookUp::kMiss;
    std::unique_ptr<valkeyReply, FreeReply> reply;
  };
  struct Resend {
    std::shared_ptr<Connection> connection;
    Ticket ticket = 0;
    std::string command;
    bool asking = false;
  };
  struct PurgeJob {
    std::string pattern;
    TimePoint until{};  // by then what was there before has expired
    RedisCache::PurgeCallback done;
    std::set<std::string> purged;  // nodes that are done
    TimePoint not_before{};        // a node said no, or was lost: tried again then
    bool moved = false;            // a key was on its way to another node
    int rounds = 0;                // over all nodes, for that reason
    std::uint64_t dropped = 0;
    std::string error;
    NodePtr node;  // being scanned; of that:
    std::uint64_t sequence = 0;
    std::string cursor;
    std::size_t unlinking = 0;  // keys whose UNLINK has not come back
  };
  // What processing of replies leaves to be done without the lock.
  struct Aftermath {
    std::vector<Finished> finished;
    std::vector<Resend> resends;
    std::vector<std::pair<NodePtr, std::string>> failed;
    bool refresh = false;
  };
  enum class Mode : std::uint8_t { kUnknown, kSingle, kCluster };

  explicit Client(const RedisOptions& options);
  void Run();
  void Shutdown();

  // Asking.
  NodePtr PickForRead(const KeyText& key) REQUIRES_LOCK(mutex_);
  NodePtr PickForWrite(const KeyText& key) REQUIRES_LOCK(mutex_);
  NodePtr FirstSeed() REQUIRES_LOCK(mutex_);
  NodePtr Admitting(SlotMap::Node index) REQUIRES_LOCK(mutex_);
  static void AppendWrite(std::string& out, const KeyText& key, Duration ttl, std::string_view record);
  void OnLostBeforeSending(Ticket ticket);

  // Replies.
  void OnConnected(Connection& connection) override;
  void OnReplies(Connection& connection, std::vector<Completion> replies) override;
  void OnLost(Connection& connection, const std::string& error) override;
  void Settle(std::vector<Completion> replies);
  void SettleLookUp(Completion& completion, TimePoint now, Aftermath& after) REQUIRES_LOCK(mutex_);
  void SettleWrite(Completion& completion, Aftermath& after) REQUIRES_LOCK(mutex_);
  void CountFailure(const NodePtr& node, TimePoint now, const std::string& why, Aftermath& after) REQUIRES_LOCK(mutex_);
  std::optional<Redirection> RedirectionOf(std::string_view error, const Node& from) REQUIRES_LOCK(mutex_);
  NodePtr Redirected(const Redirection& to, Aftermath& after) REQUIRES_LOCK(mutex_);
  void FinishLookUp(Ticket ticket, RedisLookUp result, std::unique_ptr<valkeyReply, FreeReply> reply, Aftermath& after)
      REQUIRES_LOCK(mutex_);
  void Finish(Aftermath after);
  void OnAlarm();

  // Nodes. The redis thread alone.
  NodePtr NodeOf(const Connection& connection);
  void StartConnecting(const NodePtr& node);
  void OnNamed(const NodePtr& node, Result<std::vector<std::string>> found);
  void ConnectToNext(const NodePtr& node);
  void Connect(const NodePtr& node, const std::string& ip);
  void OnNodeReply(const NodePtr& node, Completion& completion);
  void OnProbed(const NodePtr& node, Duration took);
  void OnPinged(const NodePtr& node, Duration took);
  void AddSample(const NodePtr& node, Duration took);
  void OnNodeTimer(const NodePtr& node);
  void SendPing(const NodePtr& node, Kind kind);
  void SetTimer(const NodePtr& node, Node::Phase phase, TimePoint when);
  void FailNode(const NodePtr& node, const std::string& why);
  void Announce(const NodePtr& node, bool up);
  void CloseConnection(const NodePtr& node);
  void UpdateAvailable() REQUIRES_LOCK(mutex_);

  // Topology. The redis thread alone.
  SlotMap::Node IndexOf(const Address& address) REQUIRES_LOCK(mutex_);
  void RequestRefresh();
  void ScheduleRefresh(Duration from_now);
  void Refresh();
  void OnSlots(const NodePtr& node, Completion& completion);
  void Apply(const std::vector<SlotRange>& ranges);
  Duration NextRefresh();

  // Purging. The redis thread alone.
  NodePtr NextToPurge(const PurgeJob& job, std::string& waits_for) REQUIRES_LOCK(mutex_);
  void NextPurge();
  void LeavePurged(const std::string& error, bool again);
  void PurgeScan();
  void OnScanned(Completion& completion);
  void OnUnlinked(Completion& completion);
  void SendToNode(const NodePtr& node, std::string_view command, Ticket ticket);

  const RedisOptions options_;
  std::unique_ptr<TlsContext> tls_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  NameLookUps names_;
  std::unique_ptr<Alarm> alarm_;
  Timer refresh_timer_{io_};
  std::minstd_rand random_;
  // The redis thread's.
  NodePtr refresh_asked_;  // owes us a reply to CLUSTER SLOTS; null: nobody does
  bool refresh_wanted_ = false;
  std::uint64_t refresh_sequence_ = 0;
  TimePoint refreshed_{};
  Duration unsettled_pause_{};
  std::list<PurgeJob> purges_;
  PurgeJob* purging_ = nullptr;  // whose node is being scanned
  Timer purge_timer_{io_};
  std::uint64_t purge_sequence_ = 0;

  mutable Mutex mutex_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  Mode mode_ GUARDED_BY(mutex_) = Mode::kUnknown;
  std::vector<NodePtr> nodes_ GUARDED_BY(mutex_);  // by SlotMap::Node; null: free
  SlotMap slots_ GUARDED_BY(mutex_);
  std::size_t next_replica_ GUARDED_BY(mutex_) = 0;
  TicketTable<LookUp> look_ups_ GUARDED_BY(mutex_);
  TicketTable<PendingWrite> writes_ GUARDED_BY(mutex_);
  Deadlines deadlines_ GUARDED_BY(mutex_);
  TimePoint alarm_at_ GUARDED_BY(mutex_) = TimePoint::max();
  Estimate look_up_time_ GUARDED_BY(mutex_);
  RedisStats stats_ GUARDED_BY(mutex_);  // the counters

  std::atomic<std::int64_t> expected_ns_ = RedisCache::kNever.count();
  std::atomic<bool> available_ = false;
  std::thread thread_;
};

inline TimePoint Now() { return std::chrono::steady_clock::now(); }

}  // namespace punctual::redis
