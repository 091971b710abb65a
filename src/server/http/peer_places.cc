#include "server/http/peer_places.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace punctual::http {

namespace {

std::optional<PeerPlaces::Address> AddressOf(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const void* const at = &peer;
  if (::getpeername(fd, static_cast<sockaddr*>(static_cast<void*>(&peer)), &size) != 0) return std::nullopt;
  PeerPlaces::Address address{};
  if (peer.ss_family == AF_INET) {
    address[10] = address[11] = 0xFF;
    std::memcpy(&address[12], &static_cast<const sockaddr_in*>(at)->sin_addr, 4);
    return address;
  }
  if (peer.ss_family != AF_INET6) return std::nullopt;
  const in6_addr& given = static_cast<const sockaddr_in6*>(at)->sin6_addr;
  std::memcpy(address.data(), &given, IN6_IS_ADDR_V4MAPPED(&given) ? 16 : 8);
  return address;
}

}  // namespace

PeerPlaces::Place& PeerPlaces::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  GiveBack();
  places_ = std::exchange(other.places_, nullptr);
  address_ = other.address_;
  return *this;
}

void PeerPlaces::Place::GiveBack() {
  PeerPlaces* const places = std::exchange(places_, nullptr);
  if (places == nullptr) return;
  MutexLock lock(places->mutex_);
  const auto at = places->taken_.find(address_);
  if (--at->second == 0) places->taken_.erase(at);
}

std::optional<PeerPlaces::Place> PeerPlaces::Take(int fd) {
  if (most_ == 0) return Place();
  const auto address = AddressOf(fd);
  if (!address) return Place();
  MutexLock lock(mutex_);
  int& taken = taken_[*address];
  if (taken >= most_) return std::nullopt;
  ++taken;
  return Place(this, *address);
}

}  // namespace punctual::http
