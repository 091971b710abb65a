// What the server listens on and where its bounds are: the [server] table of the configuration file.
#pragma once

#include <string>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual {

// docs/configuration.md says the same for the file.
struct ServerOptions {
  std::string listen = "127.0.0.1:8080";  // ADDRESS:PORT, [IPV6]:PORT; port 0: a free one; empty: no TCP
  std::string unix_socket;                // a path; empty: none
  int io_threads = 0;                     // 0: the cores this process may use
  Duration spin{};                        // how long an idle I/O thread looks for more before it sleeps; 0: not at all
  int max_connections = 10'000;           // beyond: answered 503 and closed
  int max_connections_per_address = 0;    // of one address; beyond: answered 503 and closed; 0: no bound
  std::size_t max_body_bytes = 1u << 20;  // of a request; beyond: 413
  std::size_t max_header_bytes = 8192;    // of a request; beyond: 431
  int max_pipelined = 16;                 // requests of one connection without an answer yet; beyond: not read
  Duration request_timeout = std::chrono::seconds(10);   // from a request's first byte to its last; beyond: 408
  Duration idle_timeout = std::chrono::seconds(300);     // of a connection without a request
  Duration write_timeout = std::chrono::seconds(10);     // for the peer to take an answer
  Duration shutdown_timeout = std::chrono::seconds(10);  // for what was admitted to be answered
};

// Reads the [server] table and nothing else of `path`; the engine reads the rest. kNotFound, kInvalidArgument name the
// file, the line and the key.
Result<ServerOptions> ServerOptionsFromFile(const std::string& path);

}  // namespace punctual
