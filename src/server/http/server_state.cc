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
      responses_ok(Responses(served, "2xx")),
      responses_refused(Responses(served, "4xx")),
      responses_failed(Responses(served, "5xx")),
      connections_refused(
          served.metrics().AddCounter("punctual_http_connections_refused_total", "Connections over max_connections")),
      timeouts(served.metrics().AddCounter("punctual_http_timeouts_total",
                                           "Connections closed because the peer was too slow, or idle for too long")) {
  served.metrics().AddGauge("punctual_http_connections", "Open connections", {},
                            [open = connections] { return static_cast<double>(open->load()); });
}

}  // namespace punctual::http
