// Purging: SCAN and UNLINK, one purge after the other, one node after the other, a few keys at a time. All on the redis
// thread, but Purge itself.
//
// A purge is over when each node that may hold answers was purged since it began: every master of the cluster as it is
// by then, or every configured Redis. One that is away is waited for, while other purges and nodes go on.
#include <valkey/valkey.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "cache/redis/client.h"

namespace punctual::redis {
namespace {

constexpr std::string_view kScanCount = "200";  // looked at per SCAN: tens of microseconds of the server's time
constexpr std::size_t kMaxPurges = 64;          // that wait
constexpr Duration kPurgePause = std::chrono::milliseconds(250);  // until what was away is looked at again
constexpr int kMaxRounds = 4;                                     // over all nodes, while slots move

// The server says no now, and may say yes later.
bool IsForNow(std::string_view error) {
  constexpr std::string_view kCodes[] = {"LOADING", "CLUSTERDOWN", "MASTERDOWN", "BUSY",
                                         "MISCONF", "NOREPLICAS",  "READONLY",   "NOAUTH"};
  return std::find(std::begin(kCodes), std::end(kCodes), error.substr(0, error.find(' '))) != std::end(kCodes);
}

}  // namespace

void Client::Purge(std::string pattern, Duration longest_ttl, RedisCache::PurgeCallback done) {
  {
    MutexLock lock(mutex_);
    // Under the lock: what is posted before the thread begins to stop, it still runs.
    if (!stopping_)
      return boost::asio::post(
          io_, [this, pattern = std::move(pattern), until = Now() + longest_ttl, done = std::move(done)]() mutable {
            if (purges_.size() >= kMaxPurges) return done(0, "too many purges are waiting");
            PurgeJob& job = purges_.emplace_back();
            job.pattern = std::move(pattern);
            job.until = until;
            job.done = std::move(done);
            NextPurge();
          });
  }
  done(0, "shutting down");
}

// A node that the purge has still to do and that can be asked; `waits_for`: those that cannot.
Client::NodePtr Client::NextToPurge(const PurgeJob& job, std::string& waits_for) {
  NodePtr next;
  bool any = false;
  for (const NodePtr& node : nodes_) {
    if (node == nullptr || !(mode_ == Mode::kCluster ? node->role == Node::Role::kMaster : node->seed)) continue;
    any = true;
    if (job.purged.contains(node->text)) continue;
    // Before the mode is known nobody can say who else there is.
    if (mode_ != Mode::kUnknown && node->breaker.admits() && node->connection != nullptr) {
      next = node;
      continue;
    }
    if (waits_for.size() > 1000) continue;
    waits_for += (waits_for.empty() ? "" : "; ") + node->text;
    if (!node->last_error.empty()) waits_for += " (" + node->last_error + ")";
  }
  if (!any) waits_for = "masters, which the cluster has none of";
  return next;
}

void Client::NextPurge() {
  if (purging_ != nullptr) return;
  const TimePoint now = Now();
  std::list<PurgeJob> over;
  std::string first_waits_for;
  for (auto at = purges_.begin(); at != purges_.end() && purging_ == nullptr;) {
    PurgeJob& job = *at++;
    const auto end = [&] { over.splice(over.end(), purges_, std::prev(at)); };
    std::string waits_for;
    NodePtr next;
    {
      MutexLock lock(mutex_);
      next = NextToPurge(job, waits_for);
    }
    if (now >= job.until) {
      end();  // what it should drop has expired
    } else if (next != nullptr && now >= job.not_before) {
      purging_ = &job;
      job.node = std::move(next);
    } else if (next == nullptr && waits_for.empty() && !job.moved) {
      end();
    } else if (next == nullptr && waits_for.empty() && ++job.rounds == kMaxRounds) {
      job.error = "slots were moving all the time";
      end();
    } else if (next == nullptr && waits_for.empty()) {
      job.moved = false;
      job.purged.clear();
      job.not_before = now + kPurgePause;
      RequestRefresh();
    }
    if (first_waits_for.empty()) first_waits_for = std::move(waits_for);
  }
  if (purges_.empty()) first_waits_for.clear();  // it was one that ended
  {
    MutexLock lock(mutex_);
    stats_.purge_waits_for = first_waits_for;
  }
  if (purging_ == nullptr && !purges_.empty()) {
    purge_timer_.expires_after(kPurgePause);
    purge_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) NextPurge();
    });
  }
  for (PurgeJob& job : over) job.done(job.dropped, job.error);
  if (purging_ == nullptr) return;
  purging_->cursor = "0";
  purging_->unlinking = 0;
  purging_->sequence = ++purge_sequence_;  // what an earlier node still owes is not waited for
  PurgeScan();
}

// The node that was being scanned is left: it is done, or `error` says why not. With `again` it is come back to.
void Client::LeavePurged(const std::string& error, bool again) {
  PurgeJob& job = *purging_;
  if (again)
    job.not_before = Now() + kPurgePause;
  else
    job.purged.insert(job.node->text);
  if (!error.empty() && !again && job.error.size() < 1000)
    job.error += (job.error.empty() ? "" : "; ") + job.node->text + ": " + error;
  job.node = nullptr;
  purging_ = nullptr;
  boost::asio::post(io_, [this] { NextPurge(); });
}

void Client::PurgeScan() {
  std::string command;
  AppendCommand(command, {"SCAN", purging_->cursor, "MATCH", purging_->pattern, "COUNT", kScanCount});
  SendToNode(purging_->node, command, MakeTicket(Kind::kScan, purging_->sequence));
}

void Client::OnScanned(Completion& completion) {
  if (purging_ == nullptr || completion.ticket != MakeTicket(Kind::kScan, purging_->sequence)) return;
  PurgeJob& job = *purging_;
  const valkeyReply* reply = completion.reply.get();
  if (reply == nullptr) return LeavePurged("the connection was lost", true);
  if (reply->type == VALKEY_REPLY_ERROR) {
    const std::string_view text(reply->str, reply->len);
    return LeavePurged(Printable(text), IsForNow(text));
  }
  if (reply->type != VALKEY_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != VALKEY_REPLY_STRING ||
      reply->element[1]->type != VALKEY_REPLY_ARRAY)
    return LeavePurged("a reply to SCAN that is none", false);
  job.cursor.assign(reply->element[0]->str, reply->element[0]->len);
  const NodePtr node = job.node;
  const Ticket ticket = MakeTicket(Kind::kUnlink, job.sequence);
  const valkeyReply& keys = *reply->element[1];
  std::string commands;
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < keys.elements; ++i) {
    if (keys.element[i]->type != VALKEY_REPLY_STRING) continue;
    AppendCommand(commands, {"UNLINK", std::string_view(keys.element[i]->str, keys.element[i]->len)});
    ends.push_back(commands.size());
  }
  job.unlinking = ends.size();
  if (ends.empty()) return job.cursor == "0" ? LeavePurged({}, false) : PurgeScan();
  // One key a command: the keys of one node are of many slots. The node may be left before the loop is over.
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    SendToNode(node, std::string_view(commands).substr(begin, end - begin), ticket);
    begin = end;
  }
}

void Client::OnUnlinked(Completion& completion) {
  if (purging_ == nullptr || completion.ticket != MakeTicket(Kind::kUnlink, purging_->sequence)) return;
  PurgeJob& job = *purging_;
  const valkeyReply* reply = completion.reply.get();
  if (reply == nullptr) return LeavePurged("the connection was lost", true);
  if (reply->type == VALKEY_REPLY_ERROR) {
    const std::string_view text(reply->str, reply->len);
    bool cluster;
    {
      MutexLock lock(mutex_);
      cluster = mode_ == Mode::kCluster;
    }
    if (cluster && (ParseRedirection(text, job.node->address) || text.starts_with("TRYAGAIN"))) {
      job.moved = true;  // the key may be where we have been already
    } else if (!cluster && text.starts_with("READONLY")) {
      return LeavePurged({}, false);  // a replica: it gives what its master gives
    } else {
      if (cluster) RequestRefresh();
      return LeavePurged(Printable(text), IsForNow(text));
    }
  } else if (reply->type == VALKEY_REPLY_INTEGER && reply->integer > 0) {
    job.dropped += static_cast<std::uint64_t>(reply->integer);
  }
  if (--job.unlinking > 0) return;
  if (job.cursor == "0") return LeavePurged({}, false);
  PurgeScan();
}

}  // namespace punctual::redis
