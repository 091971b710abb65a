// How many connections each address has, and how many it may have: one peer must not take all of max_connections.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace punctual::http {

// Thread-safe. Outlives its places. Its lock is taken when a connection comes and goes, if there is a bound at all.
class PeerPlaces {
 public:
  // An IPv4 address, mapped to IPv6, or the first 64 bits of an IPv6 one: whoever has one of those has all of them.
  using Address = std::array<std::uint8_t, 16>;

  // Given back when it goes. Movable; an empty one is of no address.
  class Place {
   public:
    Place() = default;
    Place(PeerPlaces* places, const Address& address) : places_(places), address_(address) {}
    Place(Place&& other) noexcept : places_(std::exchange(other.places_, nullptr)), address_(other.address_) {}
    Place& operator=(Place&& other) noexcept;
    ~Place() { GiveBack(); }
    void GiveBack();

   private:
    PeerPlaces* places_ = nullptr;
    Address address_{};
  };

  // `most`: connections of an address; 0: no bound.
  explicit PeerPlaces(int most) : most_(most) {}

  // For the peer of a connected socket; without an address (a Unix socket) there is always one. None: it has as many as
  // it may.
  std::optional<Place> Take(int fd);

 private:
  const int most_;
  Mutex mutex_;
  std::map<Address, int> taken_ GUARDED_BY(mutex_);  // those with one at least
};

}  // namespace punctual::http
