#include "server/http/server_state.h"

namespace punctual::http {

namespace {

telemetry::Counter& Responses(Engine& engine, const char* status) {
  return engine.metrics().AddCounter("punctual_http_responses_total", "Answers by class of status",
                                     {{"status", status}});
}

}  // namespace

ServerState::ServerState(Engine& served, const ServerOptions& wanted)
    : engine(served),
      options(wanted),
      places(wanted.max_connections_per_address),
      responses_ok(Responses(served, "2xx")),
      responses_refused(Responses(served, "4xx")),
      responses_failed(Responses(served, "5xx")),
      connections_refused(
          served.metrics().AddCounter("punctual_http_connections_refused_total",
                                      "Connections over max_connections or max_connections_per_address")),
      timeouts(served.metrics().AddCounter("punctual_http_timeouts_total",
                                           "Connections closed because the peer was too slow, or idle for too long")) {
  served.metrics().AddGauge("punctual_http_connections", "Open connections", {},
                            [open = connections] { return static_cast<double>(open->load()); });
  const auto add_spins = [&](const char* result, telemetry::Counter SpinCounts::*counter) {
    served.metrics().AddCounter("punctual_http_spins_total", "Looks of I/O threads for more before they sleep",
                                {{"result", result}},
                                [counts = spins, counter] { return static_cast<double>((*counts.*counter).Value()); });
  };
  add_spins("found", &SpinCounts::found);
  add_spins("nothing", &SpinCounts::nothing);
  served.metrics().AddCounter("punctual_http_spin_seconds_total", "Time that I/O threads looked for more", {},
                              [counts = spins] { return static_cast<double>(counts->spun_ns.Value()) / 1e9; });
}

}  // namespace punctual::http
