// A small blocking HTTP/1.1 client that keeps its connection: for feeds, which wait for each reply anyway.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "load/address.h"
#include "load/http_response.h"
#include "punctual/prediction.h"

namespace punctual::load {

struct HttpReply {
  int status = 0;
  std::string body;
};

// Not thread-safe.
class HttpClient {
 public:
  explicit HttpClient(Address address) : address_(std::move(address)) {}

  // Adds a request to what the next Exchange sends.
  void Add(std::string_view method, std::string_view path, std::string_view content_type, std::string_view body);
  // Sends what was added, in one go, and waits for all the replies, which are in the same order. Connects if there is
  // no connection. kUnavailable: no connection, or it was lost before the last reply, or `timeout` passed: what was
  // added is gone, and which of it was done is not known.
  Result<std::vector<HttpReply>> Exchange(Duration timeout);

 private:
  Result<void> Connect(TimePoint until);
  Result<void> Poll(short events, TimePoint until);
  Result<std::vector<HttpReply>> SendAndReceive(TimePoint until);

  Address address_;
  UniqueFd fd_;
  HttpResponseParser parser_;
  std::string requests_;
  std::size_t count_ = 0;
};

}  // namespace punctual::load
