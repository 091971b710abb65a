// One request of a connection and its answer. It stands in the connection's queue, so that answers leave in the order
// of the requests, whatever the order they are ready in; connections reuse theirs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual::http {

class Connection;

struct Exchange {
  static constexpr std::string_view kJson = "application/json";

  // The answer.
  int status = 200;
  std::string_view content_type = kJson;
  std::string_view allow;          // what a 405 says is allowed
  std::int64_t retry_after_s = 0;  // what an error says of when to ask again; 0: nothing
  std::string body;
  bool interim = false;     // `body` is a whole "100 Continue", not an answer
  bool head_only = false;   // the answer to a HEAD request
  bool close = false;       // the connection ends after it
  bool keep_alive = false;  // said explicitly: to HTTP/1.0
  // A prediction is made into the body on the connection's own thread.
  std::optional<Result<Prediction>> prediction;
  TimePoint ready_at{};         // of a prediction
  bool measures_reply = false;  // ready_at counts: it waits for no other answer
  bool ready = false;           // read and written on the connection's thread

  // While it is not ready, it keeps its connection alive.
  std::shared_ptr<Connection> connection;
  Exchange* next_finished = nullptr;
  std::string request_body;  // of a request that is handled aside

  // Makes the answer an error, with the code's status or another.
  void Refuse(const Error& error);
  void Refuse(int with_status, const Error& error);
  // The answer is there, or the prediction it is made from. From any thread, once.
  void Finish();
  // Ready for the next request.
  void Reset();
};

}  // namespace punctual::http
