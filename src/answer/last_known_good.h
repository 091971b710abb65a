// The last known good answer of each model and symbol, from the server's own market state: what `stale` gives.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "punctual/prediction.h"

namespace punctual {

struct KnownGood {
  Outputs outputs;
  std::shared_ptr<const ModelIdentity> identity;
  AsOf as_of;
  TimePoint arrived{};  // of the newest book it is about
};

// Thread-safe. Holds at most one answer for each pair of model and symbol, and those of a bounded number of symbols: an
// inference may end after its symbol was forgotten, so the market's bound is not ours.
class LastKnownGood {
 public:
  // `symbols` of a shard (16 there are) that are remembered at most; then the one whose books are the oldest goes.
  explicit LastKnownGood(std::size_t symbols = 1024) : limit_(symbols) {}
  // Keeps it unless a newer one (by arrival of its book) is there.
  void Put(const std::string& model, const std::string& symbol, KnownGood good);
  // None, or older than max_age at `now`: nothing.
  std::optional<KnownGood> Get(std::string_view model, std::string_view symbol, Duration max_age, TimePoint now) const;
  // Its feed may start again with other books.
  void Forget(std::string_view symbol);

 private:
  static constexpr std::size_t kShards = 16;
  const std::size_t limit_;
  // symbol -> model -> answer
  using Answers = std::map<std::string, std::map<std::string, KnownGood, std::less<>>, std::less<>>;
  struct alignas(64) Shard {
    mutable Mutex mutex;
    Answers answers GUARDED_BY(mutex);
  };
  static void DropOldest(Answers& answers);
  Shard& ShardOf(std::string_view symbol) const { return shards_[std::hash<std::string_view>()(symbol) % kShards]; }
  mutable Shard shards_[kShards];
};

}  // namespace punctual
