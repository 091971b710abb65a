#include "load/http_response.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace punctual::load {

namespace {

constexpr std::size_t kMaxHeadSize = 64u << 10;

Error Bad(const std::string& what) { return Fail(Code::kInvalidArgument, "response: " + what); }

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Result<std::optional<HttpResponse>> HttpResponseParser::Parse(std::string_view bytes) {
  auto complete = Step(bytes);
  if (complete.has_error()) {
    progress_ = {};
    return std::move(complete).error();
  }
  if (!complete.value()) return std::optional<HttpResponse>();
  const HttpResponse response = progress_.response;
  progress_ = {};
  return std::optional(response);
}

Result<bool> HttpResponseParser::Step(std::string_view bytes) {
  if (!progress_.in_body) {
    PUNCTUAL_ASSIGN(const bool head, ReadHead(bytes));
    if (!head) return false;
    progress_.in_body = true;
    chunks_.clear();
  }
  if (progress_.chunked) return ReadChunks(bytes);
  const std::size_t length = *progress_.content_length;
  if (bytes.size() - progress_.at < length) return false;
  progress_.response.body = bytes.substr(progress_.at, length);
  progress_.response.size = progress_.at + length;
  return true;
}

Result<bool> HttpResponseParser::ReadHead(std::string_view bytes) {
  for (;;) {
    const std::size_t end = bytes.find("\r\n\r\n", progress_.at);
    // Together with the interim ones before it, of which there may be any number.
    if (end == std::string_view::npos || end > kMaxHeadSize) {
      if (bytes.size() > kMaxHeadSize) return Fail(Code::kOutOfRange, "response: its head is over 64 kB");
      return false;
    }
    std::string_view head = bytes.substr(progress_.at, end - progress_.at);
    std::size_t line_end = std::min(head.find("\r\n"), head.size());
    const std::string_view status_line = head.substr(0, line_end);
    // "HTTP/1.1 200 OK"
    int status = 0;
    if (status_line.size() < 12 || !status_line.starts_with("HTTP/1.") || status_line[8] != ' ' ||
        std::from_chars(&status_line[9], &status_line[9] + 3, status).ptr != &status_line[9] + 3 || status < 100)
      return Bad("\"" + std::string(status_line.substr(0, 60)) + "\" is not a status line of HTTP/1.x");
    progress_.response = {.status = status, .close = status_line[7] == '0'};
    progress_.chunked = false;
    progress_.content_length.reset();
    while (line_end < head.size()) {
      head.remove_prefix(line_end + 2);
      line_end = std::min(head.find("\r\n"), head.size());
      const std::string_view line = head.substr(0, line_end);
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos)
        return Bad("header \"" + std::string(line.substr(0, 60)) + "\" has no colon");
      PUNCTUAL_TRY(ReadHeader(line.substr(0, colon), Trimmed(line.substr(colon + 1))));
    }
    progress_.at = end + 4;
    if (status < 200) continue;  // an interim response; the one that counts follows
    if (status == 204 || status == 304) progress_.content_length = 0, progress_.chunked = false;
    if (!progress_.chunked && !progress_.content_length)
      return Bad("it has neither Content-Length nor Transfer-Encoding: chunked, so its end can't be told");
    return true;
  }
}

Result<void> HttpResponseParser::ReadHeader(std::string_view name, std::string_view value) {
  if (SameName(name, "content-length")) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
    if (error != std::errc() || end != value.data() + value.size())
      return Bad("Content-Length \"" + std::string(value.substr(0, 30)) + "\" is not a number");
    if (length > max_size_) return Fail(Code::kOutOfRange, "response: its body is over the limit");
    progress_.content_length = length;
  } else if (SameName(name, "transfer-encoding")) {
    if (!SameName(value, "chunked")) return Bad("Transfer-Encoding \"" + std::string(value) + "\" is not supported");
    progress_.chunked = true;
  } else if (SameName(name, "connection")) {
    if (SameName(value, "close")) progress_.response.close = true;
    if (SameName(value, "keep-alive")) progress_.response.close = false;
  }
  return {};
}

Result<bool> HttpResponseParser::ReadChunks(std::string_view bytes) {
  for (;;) {
    if (bytes.size() > 2 * max_size_) return Fail(Code::kOutOfRange, "response: its body is over the limit");
    const std::size_t line_end = bytes.find("\r\n", progress_.at);
    if (line_end == std::string_view::npos) return false;
    const std::string_view line = bytes.substr(progress_.at, line_end - progress_.at);
    if (progress_.in_trailer) {
      progress_.at = line_end + 2;
      if (!line.empty()) continue;
      progress_.response.body = chunks_;
      progress_.response.size = progress_.at;
      return true;
    }
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    const std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
    if (error != std::errc() || !(rest.empty() || rest[0] == ';' || rest[0] == ' '))
      return Bad("chunk size \"" + std::string(line.substr(0, 30)) + "\" is not a hexadecimal number");
    if (size > max_size_ || chunks_.size() + size > max_size_)
      return Fail(Code::kOutOfRange, "response: its body is over the limit");
    if (size == 0) {
      progress_.in_trailer = true;
      progress_.at = line_end + 2;
      continue;
    }
    if (bytes.size() - (line_end + 2) < size + 2) return false;
    if (bytes.substr(line_end + 2 + size, 2) != "\r\n") return Bad("a chunk does not end where its size says");
    chunks_.append(bytes.substr(line_end + 2, size));
    progress_.at = line_end + 2 + size + 2;
  }
}

}  // namespace punctual::load
