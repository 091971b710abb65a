// The bytes of a connection, in two pieces: the parser ends, fails, or wants more; it never holds more than its bounds.
#include <boost/asio/buffer.hpp>

#include <cstdlib>
#include <string>

#include "server/http/request_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  punctual::ServerOptions options;
  options.max_body_bytes = 1024;
  std::string target, body;
  punctual::http::RequestParser parser(options, target, body);
  parser.eager(true);
  const std::size_t split = data[0] % size;
  std::size_t at = 1;
  for (const std::size_t end : {split, size}) {
    while (at < end && !parser.is_done()) {
      boost::beast::error_code error;
      const std::size_t used = parser.put(boost::asio::buffer(data + at, end - at), error);
      if (error && error != boost::beast::http::error::need_more) return 0;
      if (used == 0) break;
      at += used;
    }
  }
  if (body.size() > options.max_body_bytes) std::abort();
  return 0;
}
