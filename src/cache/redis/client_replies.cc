// What comes back: results, redirections, time-outs.
#include <valkey/valkey.h>

#include <algorithm>

#include "cache/redis/client.h"

namespace punctual::redis {
namespace {

bool IsError(const Completion& completion) {
  return completion.reply != nullptr && completion.reply->type == VALKEY_REPLY_ERROR;
}
std::string_view Text(const Completion& completion) { return {completion.reply->str, completion.reply->len}; }

}  // namespace

Client::NodePtr Client::NodeOf(const Connection& connection) {
  MutexLock lock(mutex_);
  for (const NodePtr& node : nodes_)
    if (node != nullptr && node->connection.get() == &connection) return node;
  return nullptr;
}

void Client::OnReplies(Connection& connection, std::vector<Completion> replies) {
  // Look-ups and writes first, and together: users wait for them.
  const auto ours = std::stable_partition(replies.begin(), replies.end(), [](const Completion& completion) {
    const Kind kind = KindOf(completion.ticket);
    return kind == Kind::kLookUp || kind == Kind::kWrite;
  });
  std::vector<Completion> rest(std::make_move_iterator(ours), std::make_move_iterator(replies.end()));
  replies.erase(ours, replies.end());
  if (!replies.empty()) Settle(std::move(replies));
  for (Completion& completion : rest) {
    switch (KindOf(completion.ticket)) {
      case Kind::kScan: OnScanned(completion); break;
      case Kind::kUnlink: OnUnlinked(completion); break;
      default:
        // What belongs to the node's life ends with the connection.
        if (const NodePtr node = NodeOf(connection)) OnNodeReply(node, completion);
    }
  }
}

void Client::Settle(std::vector<Completion> replies) {
  Aftermath after;
  const TimePoint now = Now();
  {
    MutexLock lock(mutex_);
    for (Completion& completion : replies) {
      if (KindOf(completion.ticket) == Kind::kLookUp)
        SettleLookUp(completion, now, after);
      else
        SettleWrite(completion, after);
    }
    if (available_.load(std::memory_order_relaxed) && !look_up_time_.empty())
      expected_ns_.store(look_up_time_.expected().count(), std::memory_order_relaxed);
  }
  Finish(std::move(after));
}

void Client::FinishLookUp(Ticket ticket, RedisLookUp result, std::unique_ptr<valkeyReply, FreeReply> reply,
                          Aftermath& after) {
  LookUp* look_up = look_ups_.Find(ticket);
  --look_up->node->outstanding;
  switch (result) {
    case RedisLookUp::kHit: ++stats_.hits; break;
    case RedisLookUp::kMiss: ++stats_.misses; break;
    case RedisLookUp::kTimeout: ++stats_.timeouts; break;
    case RedisLookUp::kError: ++stats_.errors; break;
    case RedisLookUp::kSkipped: ++stats_.skipped; break;
  }
  after.finished.push_back({std::move(look_up->callback), result, std::move(reply)});
  look_ups_.Release(ticket);
}

void Client::CountFailure(const NodePtr& node, TimePoint now, const std::string& why, Aftermath& after) {
  if (!node->breaker.OnFailure(now)) return;
  UpdateAvailable();
  after.failed.emplace_back(node, why);
}

void Client::SettleLookUp(Completion& completion, TimePoint now, Aftermath& after) {
  LookUp* look_up = look_ups_.Find(completion.ticket);
  if (look_up == nullptr) {
    if (completion.reply != nullptr) ++stats_.late;
    return;
  }
  const NodePtr node = look_up->node;
  if (completion.reply == nullptr)
    return FinishLookUp(completion.ticket, stopping_ ? RedisLookUp::kMiss : RedisLookUp::kError, nullptr, after);
  if (!IsError(completion)) {
    const bool hit = completion.reply->type == VALKEY_REPLY_STRING;
    const Duration took = now - look_up->sent;
    if (hit || completion.reply->type == VALKEY_REPLY_NIL) {
      node->breaker.OnAnswered();
      node->look_up_time.Add(took);
      look_up_time_.Add(took);
      return FinishLookUp(completion.ticket, hit ? RedisLookUp::kHit : RedisLookUp::kMiss,
                          hit ? std::move(completion.reply) : nullptr, after);
    }
    node->SetError("a reply to GET that is no string");
    return FinishLookUp(completion.ticket, RedisLookUp::kError, nullptr, after);
  }
  const auto redirection = RedirectionOf(Text(completion), *node);
  if (redirection && !look_up->redirected && look_up->give_up > now) {
    look_up->redirected = true;
    if (const NodePtr target = Redirected(*redirection, after)) {
      ++stats_.redirected;
      --node->outstanding;
      ++target->outstanding;
      look_up->node = target;
      Resend& resend = after.resends.emplace_back();
      resend = {target->connection, completion.ticket, {}, redirection->ask};
      return AppendCommand(resend.command, {"GET", look_up->key.view()});
    }
    return FinishLookUp(completion.ticket, RedisLookUp::kSkipped, nullptr, after);
  }
  node->SetError(Printable(Text(completion)));
  const ErrorMeaning meaning = MeaningOf(Text(completion));
  FinishLookUp(completion.ticket, RedisLookUp::kError, nullptr, after);
  if (meaning == ErrorMeaning::kNodeUseless) {
    after.refresh = true;
    CountFailure(node, now, node->last_error, after);
  }
}

void Client::SettleWrite(Completion& completion, Aftermath& after) {
  PendingWrite* write = writes_.Find(completion.ticket);
  if (write == nullptr) return;
  if (IsError(completion)) {
    const auto redirection = RedirectionOf(Text(completion), *write->node);
    if (redirection && !write->redirected) {
      write->redirected = true;
      if (const NodePtr target = Redirected(*redirection, after)) {
        ++stats_.redirected;
        write->node = target;
        Resend& resend = after.resends.emplace_back();
        resend = {target->connection, completion.ticket, {}, redirection->ask};
        return AppendWrite(resend.command, write->key, write->ttl, write->record);
      }
    }
    write->node->SetError(Printable(Text(completion)));
    // Most likely a master that became a replica.
    if (Text(completion).starts_with("READONLY")) after.refresh = true;
  }
  if (write->ttl > Duration::zero())
    ++(completion.reply == nullptr || IsError(completion) ? stats_.write_errors : stats_.written);
  writes_.Release(completion.ticket);
}

// What is no cluster has nobody to redirect to: nodes that it names would never be taken off the list.
std::optional<Redirection> Client::RedirectionOf(std::string_view error, const Node& from) {
  return mode_ == Mode::kCluster ? ParseRedirection(error, from.address) : std::nullopt;
}

// Where a redirection leads, if that node can be asked now. A MOVED is believed for its slot at once, and the whole map
// is asked for again.
Client::NodePtr Client::Redirected(const Redirection& to, Aftermath& after) {
  if (stopping_) return nullptr;
  const SlotMap::Node index = IndexOf(to.address);
  if (index == kNoNode) return nullptr;
  if (!to.ask) {
    slots_.Move(to.slot, index);
    after.refresh = true;
  }
  return Admitting(index);
}

void Client::Finish(Aftermath after) {
  for (Resend& resend : after.resends)
    if (!resend.connection->Submit(resend.command, resend.ticket, resend.asking)) OnLostBeforeSending(resend.ticket);
  // Users next: they wait. Their new look-ups already see the breakers that opened.
  for (Finished& finished : after.finished) {
    const auto& reply = finished.reply;
    finished.callback(finished.result,
                      reply == nullptr ? std::string_view() : std::string_view(reply->str, reply->len));
  }
  // Both go to the redis thread's part, which this may not be (a look-up that was lost before it was sent has neither).
  for (const auto& [node, why] : after.failed) FailNode(node, why);
  if (after.refresh) RequestRefresh();
}

void Client::OnAlarm() {
  Aftermath after;
  const TimePoint now = Now();
  {
    MutexLock lock(mutex_);
    Ticket ticket = 0;
    while (deadlines_.PopDue(now, ticket)) {
      const LookUp* look_up = look_ups_.Find(ticket);
      if (look_up == nullptr) continue;
      const NodePtr node = look_up->node;
      // One that was in a hurry says nothing about the node.
      const bool fair = look_up->give_up - look_up->sent >= options_.timeout / 2;
      FinishLookUp(ticket, RedisLookUp::kTimeout, nullptr, after);
      if (fair) CountFailure(node, now, "look-ups in a row were not answered in time", after);
    }
    alarm_at_ = deadlines_.next();
    if (alarm_at_ != TimePoint::max()) alarm_->Set(alarm_at_);
  }
  Finish(std::move(after));
}

}  // namespace punctual::redis
