// What the parts of one running server share.
#pragma once

#include <atomic>
#include <memory>

#include "punctual/engine.h"
#include "server/http/aside_thread.h"
#include "server/http/peer_places.h"
#include "server/server_options.h"
#include "telemetry/registry.h"

namespace punctual::http {

namespace net = boost::asio;

// What the I/O threads' looks for more came to (http/spin.h).
struct SpinCounts {
  telemetry::Counter found, nothing, spun_ns;
  void Count(bool has_found, Duration spun) {
    (has_found ? found : nothing).Add();
    spun_ns.Add(static_cast<std::uint64_t>(spun.count()));
  }
};

struct ServerState {
  ServerState(Engine& served, const ServerOptions& wanted);

  Engine& engine;
  const ServerOptions options;
  std::atomic<bool> stopping = false;
  PeerPlaces places;
  // Shared with the metrics, which outlive the server.
  std::shared_ptr<std::atomic<int>> connections = std::make_shared<std::atomic<int>>(0);
  std::shared_ptr<SpinCounts> spins = std::make_shared<SpinCounts>();
  // What would hold up an io thread: large bodies of questions, which have a deadline, and apart from them what has
  // none (large feeds, statistics).
  AsideThread large_questions, aside;

  telemetry::Counter& responses_ok;         // 2xx
  telemetry::Counter& responses_refused;    // 4xx
  telemetry::Counter& responses_failed;     // 5xx
  telemetry::Counter& connections_refused;  // over max_connections or an address's bound
  telemetry::Counter& timeouts;             // connections closed for one of the timeouts
};

}  // namespace punctual::http
