// One Redis server as the client sees it. Guarded by the client's mutex, except what is marked.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/redis/address.h"
#include "cache/redis/breaker.h"
#include "cache/redis/connection.h"
#include "cache/redis/estimate.h"

namespace punctual::redis {

// Asio's timer without its type-erased executor.
using Timer =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                      boost::asio::io_context::executor_type>;

struct Node {
  enum class Role : std::uint8_t { kNone, kMaster, kReplica };
  // What the redis thread is doing with it, and so what its timer means.
  enum class Phase : std::uint8_t {
    kResting,     // until its breaker lets us try again
    kConnecting,  // name, connection, TLS, AUTH: until connect_timeout
    kProbing,     // PINGs go out that decide
    kUp,          // until the next PING
    kPinging,     // until that PING is lost
    kGone,        // taken off the list
  };

  Node(boost::asio::io_context& io, Address where, const BreakerOptions& options, std::uint32_t random)
      : address(std::move(where)), text(AddressText(address)), breaker(options, random), timer(io) {}

  const Address address;
  const std::string text;
  Breaker breaker;
  bool seed = false;  // configured
  Role role = Role::kNone;
  std::shared_ptr<Connection> connection;  // null while it has none
  std::uint64_t outstanding = 0;           // look-ups
  Estimate look_up_time;
  std::string last_error;
  TimePoint last_error_at{};
  void SetError(std::string error) {
    last_error = std::move(error);
    last_error_at = std::chrono::steady_clock::now();
  }

  // The redis thread's alone.
  Phase phase = Phase::kResting;
  Timer timer;
  TimePoint ping_sent{};
  int probes = 0;                      // PINGs that decide and were answered
  bool is_being_named = false;         // its name is being resolved: one at a time, however long that takes
  std::vector<std::string> addresses;  // of its name, that were not tried yet
  std::optional<bool> said_up;         // what was last told of it
  TimePoint said_at{};
};

}  // namespace punctual::redis
