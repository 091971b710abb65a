// Just enough of HTTP/1.1 to read responses: status line, Content-Length, chunked bodies, Connection: close.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "punctual/result.h"

namespace punctual::load {

struct HttpResponse {
  int status = 0;
  std::string_view body;  // points into the parser's input, or into the parser (chunked): valid until the next Parse()
  bool close = false;     // the server will close the connection after it
  std::size_t size = 0;   // bytes of the input that it took
};

// One a connection. Not thread-safe. A parser of its own because reading a response is most of what the load generator
// does: this one looks at the bytes where they were received and copies nothing (but chunked bodies).
class HttpResponseParser {
 public:
  // Bodies and trailers beyond `max_size` bytes are refused, and heads beyond 64 kB, interim ones included.
  explicit HttpResponseParser(std::size_t max_size = std::size_t{16} << 20) : max_size_(max_size) {}

  // `bytes`: all that was received and not taken by an earlier response. Nothing: it takes more of them; call again
  // with these and those that follow. After a response or an error the parser is ready for the next one.
  // kInvalidArgument: not HTTP/1.x, or neither Content-Length nor chunked; kOutOfRange: too big.
  Result<std::optional<HttpResponse>> Parse(std::string_view bytes);

 private:
  struct Progress {        // of the response that is incomplete, so that none of its bytes are looked at twice
    std::size_t at = 0;    // where to go on
    bool in_body = false;  // its head was read
    HttpResponse response;
    bool chunked = false, in_trailer = false;
    std::optional<std::size_t> content_length;
  };

  Result<bool> Step(std::string_view bytes);
  Result<bool> ReadHead(std::string_view bytes);
  Result<void> ReadHeader(std::string_view name, std::string_view value);
  Result<bool> ReadChunks(std::string_view bytes);

  std::size_t max_size_;
  Progress progress_;
  std::string chunks_;
};

}  // namespace punctual::load
