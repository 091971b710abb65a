// How Redis is reached and how much it may cost.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cache/redis/breaker.h"
#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

struct RedisOptions {
  // "host:port" or "[v6]:port": where to begin. A cluster names its other nodes itself. Several that are no cluster are
  // spares: the first that works is used.
  std::vector<std::string> nodes;
  std::string username;  // AUTH; empty with a password: the default user
  std::string password;  // empty: no AUTH
  bool tls = false;
  std::string ca_file;              // empty: the system's certificates
  std::string cert_file, key_file;  // our certificate; both or none
  bool read_from_replicas = false;
  Duration timeout = std::chrono::milliseconds(3);            // bound of a look-up
  Duration connect_timeout = std::chrono::milliseconds(500);  // connection, TLS and AUTH together
  Duration ping_interval = std::chrono::seconds(1);           // per node; a PING that is out for as long again is lost
  std::size_t max_outstanding = 1024;  // look-ups under way, and as many writes; beyond, both are left out
  std::string prefix = "punctual";     // first part of each key: 1 to 32 printable bytes
  redis::BreakerOptions breaker;       // per node
};

// kInvalidArgument, naming the field ("cache.redis.nodes: ...").
Result<void> Validate(const RedisOptions& options);

}  // namespace punctual
