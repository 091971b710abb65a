#include "server/http/request_parser.h"

#include <algorithm>
#include <boost/beast/http/error.hpp>

#include "server/http/json_parser.h"

namespace punctual::http {

RequestParser::RequestParser(const ServerOptions& options, std::string& target, std::string& body)
    : header_left_(options.max_header_bytes), target_(target), body_(body) {
  target_.clear();
  body_.clear();
  eager(true);
  header_limit(static_cast<std::uint32_t>(options.max_header_bytes));
  body_limit(options.max_body_bytes);
}

void RequestParser::on_request_impl(verb method, Text, Text target, int version, ErrorCode&) {
  method_ = method;
  version_ = version;
  target_.assign(target.data(), target.size());
}

void RequestParser::on_field_impl(beast::http::field name, Text name_text, Text value, ErrorCode& error) {
  const std::size_t size = name_text.size() + value.size() + 4;
  if (size > header_left_) {
    error = beast::http::error::header_limit;
    return;
  }
  header_left_ -= size;
  switch (name) {
    case beast::http::field::content_type:
      is_ndjson_ = beast::iequals(value.substr(0, 20), "application/x-ndjson");
      break;
    case beast::http::field::content_encoding: is_compressed_ = !beast::iequals(value, "identity"); break;
    case beast::http::field::expect: expects_continue_ = beast::iequals(value, "100-continue"); break;
    case beast::http::field::transfer_encoding:
      // A body in an encoding that we do not know has no end that we and a proxy before us agree on.
      if (!beast::iequals(value, "chunked")) error = beast::http::error::bad_transfer_encoding;
      break;
    case beast::http::field::origin: is_from_a_page_ = true; break;
    case beast::http::field::sec_fetch_site:
      if (!beast::iequals(value, "none")) is_from_a_page_ = true;  // "none": the user's own doing
      break;
    default: break;
  }
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode&) {
  // What a request announces is not yet what it sends: large bodies grow as they come.
  constexpr std::uint64_t kAtOnce = 64 << 10;
  if (length) body_.reserve(std::min(*length, kAtOnce) + PaddedText::kPadding);
}

std::size_t RequestParser::on_body_impl(Text bytes, ErrorCode&) {
  body_.append(bytes.data(), bytes.size());
  return bytes.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode&) {
  body_.append(bytes.data(), bytes.size());
  return bytes.size();
}

}  // namespace punctual::http
