#include "cache/single_flight.h"

namespace punctual {

FlightLead& FlightLead::operator=(FlightLead&& other) noexcept {
  if (this != &other) {
    Land(Fail(Code::kUnavailable, "the computation was given up"));
    flights_ = std::exchange(other.flights_, nullptr);
    key_ = other.key_;
  }
  return *this;
}

FlightLead::~FlightLead() { Land(Fail(Code::kUnavailable, "the computation was given up")); }

void FlightLead::Land(const Result<CachedAnswer>& answer) {
  if (SingleFlight* flights = std::exchange(flights_, nullptr)) flights->Land(key_, answer);
}

FlightLead SingleFlight::JoinOrLead(const CacheKey& key, const std::shared_ptr<FlightMember>& member) {
  std::shared_ptr<FlightMember> leader;
  {
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mutex);
    const auto [flight, began] = shard.flights.try_emplace(key);
    if (began) {
      flight->second.leader = member;
      return FlightLead(this, key);
    }
    flight->second.followers.push_back(member);
    leader = flight->second.leader.lock();
  }
  if (leader != nullptr) leader->OnFollowed(*member);
  return {};
}

std::size_t SingleFlight::size() {
  std::size_t sum = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    sum += shard.flights.size();
  }
  return sum;
}

void SingleFlight::Land(const CacheKey& key, const Result<CachedAnswer>& answer) {
  std::vector<std::shared_ptr<FlightMember>> followers;
  {
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mutex);
    const auto flight = shard.flights.find(key);
    followers = std::move(flight->second.followers);
    shard.flights.erase(flight);
  }
  // Outside the lock: a follower may ask again.
  for (const auto& follower : followers) follower->OnLanded(answer);
}

}  // namespace punctual
