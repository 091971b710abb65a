#include "answer/last_known_good.h"

#include <algorithm>

namespace punctual {

void LastKnownGood::DropOldest(Answers& answers) {
  const auto newest_of = [](const Answers::value_type& of_symbol) {
    TimePoint newest = TimePoint::min();
    for (const auto& [model, good] : of_symbol.second) newest = std::max(newest, good.arrived);
    return newest;
  };
  answers.erase(std::min_element(answers.begin(), answers.end(),
                                 [&](const auto& a, const auto& b) { return newest_of(a) < newest_of(b); }));
}

void LastKnownGood::Put(const std::string& model, const std::string& symbol, KnownGood good) {
  Shard& shard = ShardOf(symbol);
  MutexLock lock(shard.mutex);
  if (shard.answers.size() >= limit_ && !shard.answers.contains(symbol)) DropOldest(shard.answers);
  KnownGood& kept = shard.answers[symbol][model];
  if (kept.outputs.empty() || kept.arrived <= good.arrived) kept = std::move(good);
}

std::optional<KnownGood> LastKnownGood::Get(std::string_view model, std::string_view symbol, Duration max_age,
                                            TimePoint now) const {
  Shard& shard = ShardOf(symbol);
  MutexLock lock(shard.mutex);
  const auto of_symbol = shard.answers.find(symbol);
  if (of_symbol == shard.answers.end()) return std::nullopt;
  const auto found = of_symbol->second.find(model);
  if (found == of_symbol->second.end() || now - found->second.arrived > max_age) return std::nullopt;
  return found->second;
}

void LastKnownGood::Forget(std::string_view symbol) {
  Shard& shard = ShardOf(symbol);
  MutexLock lock(shard.mutex);
  if (const auto found = shard.answers.find(symbol); found != shard.answers.end()) shard.answers.erase(found);
}

}  // namespace punctual
