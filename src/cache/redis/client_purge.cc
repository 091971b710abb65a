// Purging: SCAN and UNLINK, one purge after the other, one node after the other, a few keys at a time. All on the redis
// thread, but Purge itself.
#include <valkey/valkey.h>

#include <boost/asio/post.hpp>

#include "cache/redis/client.h"

namespace punctual::redis {
namespace {

constexpr std::string_view kScanCount = "200";  // looked at per SCAN: tens of microseconds of the server's time
constexpr std::size_t kMaxPurges = 64;          // that wait

}  // namespace

void Client::Purge(std::string pattern, RedisCache::PurgeCallback done) {
  {
    MutexLock lock(mutex_);
    // Under the lock: what is posted before the thread begins to stop, it still runs.
    if (!stopping_)
      return boost::asio::post(io_, [this, pattern = std::move(pattern), done = std::move(done)]() mutable {
        if (purges_.size() >= kMaxPurges) return done(0, "too many purges are waiting");
        PurgeJob& job = purges_.emplace_back();
        job.pattern = std::move(pattern);
        job.done = std::move(done);
        if (purges_.size() == 1) BeginPurge();
      });
  }
  done(0, "shutting down");
}

void Client::BeginPurge() {
  PurgeJob& job = purges_.front();
  job.sequence = ++purge_sequence_;
  {
    MutexLock lock(mutex_);
    if (mode_ == Mode::kCluster) {
      for (const NodePtr& node : nodes_)
        if (node != nullptr && node->role == Node::Role::kMaster) job.nodes.push_back(node);
    } else if (NodePtr node = FirstSeed(); node != nullptr && mode_ == Mode::kSingle) {
      job.nodes.push_back(std::move(node));
    }
  }
  if (job.nodes.empty()) {
    job.nodes.emplace_back();  // for PurgeNextNode to take away
    return PurgeNextNode("no node to ask");
  }
  PurgeScan();
}

// The node that was being scanned is done, or failed.
void Client::PurgeNextNode(const std::string& error) {
  PurgeJob& job = purges_.front();
  if (!error.empty()) {
    const NodePtr& node = job.nodes.back();
    job.error += (job.error.empty() ? "" : "; ") + (node == nullptr ? std::string() : node->text + ": ") + error;
  }
  job.nodes.pop_back();
  job.cursor = "0";
  job.unlinking = 0;
  job.sequence = ++purge_sequence_;  // what this node still owes is not waited for
  if (!job.nodes.empty()) return PurgeScan();
  PurgeJob over = std::move(job);
  purges_.pop_front();
  if (!purges_.empty())
    boost::asio::post(io_, [this] {
      if (!purges_.empty()) BeginPurge();
    });
  over.done(over.dropped, over.error);
}

void Client::PurgeScan() {
  const PurgeJob& job = purges_.front();
  std::string command;
  AppendCommand(command, {"SCAN", job.cursor, "MATCH", job.pattern, "COUNT", kScanCount});
  SendToNode(job.nodes.back(), command, MakeTicket(Kind::kScan, job.sequence));
}

void Client::OnScanned(Completion& completion) {
  if (purges_.empty() || completion.ticket != MakeTicket(Kind::kScan, purges_.front().sequence)) return;
  PurgeJob& job = purges_.front();
  const valkeyReply* reply = completion.reply.get();
  if (reply == nullptr) return PurgeNextNode("the connection was lost");
  if (reply->type == VALKEY_REPLY_ERROR) return PurgeNextNode(reply->str);
  if (reply->type != VALKEY_REPLY_ARRAY || reply->elements != 2 || reply->element[0]->type != VALKEY_REPLY_STRING ||
      reply->element[1]->type != VALKEY_REPLY_ARRAY)
    return PurgeNextNode("a reply to SCAN that is none");
  job.cursor.assign(reply->element[0]->str, reply->element[0]->len);
  const NodePtr node = job.nodes.back();
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
  if (ends.empty()) return job.cursor == "0" ? PurgeNextNode({}) : PurgeScan();
  // One key a command: the keys of one node are of many slots. `job` may be over before the loop is.
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    SendToNode(node, std::string_view(commands).substr(begin, end - begin), ticket);
    begin = end;
  }
}

void Client::OnUnlinked(Completion& completion) {
  if (purges_.empty() || completion.ticket != MakeTicket(Kind::kUnlink, purges_.front().sequence)) return;
  PurgeJob& job = purges_.front();
  const valkeyReply* reply = completion.reply.get();
  if (reply == nullptr) return PurgeNextNode("the connection was lost");
  if (reply->type == VALKEY_REPLY_ERROR) {
    // A slot that moves while we scan: that key stays, and is never asked for again.
    job.error = std::string(reply->str, reply->len);
  } else if (reply->type == VALKEY_REPLY_INTEGER && reply->integer > 0) {
    job.dropped += static_cast<std::uint64_t>(reply->integer);
  }
  if (--job.unlinking > 0) return;
  if (job.cursor == "0") return PurgeNextNode({});
  PurgeScan();
}

}  // namespace punctual::redis
