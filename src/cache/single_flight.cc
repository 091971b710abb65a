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

FlightLead SingleFlight::JoinOrLead(const CacheKey& key, Waiter waiter) {
  Shard& shard = ShardOf(key);
  MutexLock lock(shard.mutex);
  const auto [flight, began] = shard.flights.try_emplace(key);
  if (began) return FlightLead(this, key);
  flight->second.push_back(std::move(waiter));
  return {};
}

void SingleFlight::Land(const CacheKey& key, const Result<CachedAnswer>& answer) {
  std::vector<Waiter> waiters;
  {
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mutex);
    const auto flight = shard.flights.find(key);
    waiters = std::move(flight->second);
    shard.flights.erase(flight);
  }
  // Outside the lock: a waiter may ask again.
  for (const Waiter& waiter : waiters) waiter(answer);
}

}  // namespace punctual
