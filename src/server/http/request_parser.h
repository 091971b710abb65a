// One HTTP/1.1 request, taken from the wire byte by byte: Beast's parser, keeping of the head only what the server acts
// on, in strings that the connection reuses.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <string>

#include "server/server_options.h"

namespace punctual::http {

namespace beast = boost::beast;
using beast::http::verb;

class RequestParser final : public beast::http::basic_parser<true> {
 public:
  // Fills `target` and `body`, which must outlive it.
  RequestParser(const ServerOptions& options, std::string& target, std::string& body);

  verb method() const { return method_; }
  bool http_1_0() const { return version_ == 10; }
  bool expects_continue() const { return expects_continue_; }
  bool is_ndjson() const { return is_ndjson_; }            // Content-Type says so
  bool is_from_a_page() const { return is_from_a_page_; }  // a browser sends it for a page: Origin, or Sec-Fetch-Site
  bool is_compressed() const { return is_compressed_; }    // Content-Encoding, which nobody here undoes

 private:
  using Text = beast::string_view;
  using ErrorCode = beast::error_code;
  void on_request_impl(verb method, Text method_text, Text target, int version, ErrorCode& error) override;
  void on_response_impl(int, Text, int, ErrorCode&) override {}
  void on_field_impl(beast::http::field name, Text name_text, Text value, ErrorCode& error) override;
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode&) override;
  std::size_t on_body_impl(Text bytes, ErrorCode&) override;
  void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text bytes, ErrorCode&) override;
  void on_finish_impl(ErrorCode&) override {}

  std::size_t header_left_;  // Beast bounds what it gets at a time, not the sum of the fields it has taken before
  std::string& target_;
  std::string& body_;
  verb method_ = verb::unknown;
  int version_ = 11;
  bool expects_continue_ = false;
  bool is_ndjson_ = false;
  bool is_compressed_ = false;
  bool is_from_a_page_ = false;
};

}  // namespace punctual::http
