// The native HTTP API: which request asks for what. docs/http-api.md is its description.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/json_parser.h"
#include "server/http/request_parser.h"
#include "server/http/server_state.h"

namespace punctual::http {

struct Request {
  const RequestParser& head;
  const std::string& target;
  std::string& body;                                    // may be taken
  TimePoint arrival;                                    // of its last byte
  bool is_local;                                        // it came over a Unix socket, or from this machine
  const std::shared_ptr<std::atomic<bool>>& peer_left;  // nobody is there for the answer any more
};

// One for each io thread, used by that thread; what is handled aside has a parser of its own.
class Api {
 public:
  // Whether the connection's next request may begin before this one's answer is ready.
  enum class Order { kAny, kAlone };

  explicit Api(ServerState& state) : state_(state) {}

  // Calls exchange.Finish() once, before it returns or later, on this or another thread.
  Order Handle(const Request& request, Exchange& exchange);
  // Makes the body out of the prediction, if it is one.
  static void CompletePrediction(Exchange& exchange);

 private:
  Order Predict(const Request& request, Exchange& exchange);
  Order Market(const Request& request, std::string_view symbol_text, Exchange& exchange);
  Order PurgeCache(const Request& request, Exchange& exchange);
  Order Get(const Request& request, std::string_view path, Exchange& exchange);

  ServerState& state_;
  JsonParser parser_;
};

}  // namespace punctual::http
