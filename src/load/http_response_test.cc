#include "load/http_response.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace punctual::load {
namespace {

constexpr std::string_view kPlain = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view kChunked =
    "HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: Chunked\r\n\r\n"
    "3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

std::string BodyOf(std::string_view bytes) {
  HttpResponseParser parser;
  const auto response = parser.Parse(bytes).value();
  return response ? std::string(response->body) : "incomplete";
}

std::string ErrorOf(std::string_view bytes) {
  const auto response = HttpResponseParser(1000).Parse(bytes);
  return response.has_error() ? response.error().message : "no error";
}

TEST(HttpResponseTest, ReadsStatusBodyAndSize) {
  HttpResponseParser parser;
  const auto response = parser.Parse(kPlain).value();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->size, kPlain.size());
  EXPECT_FALSE(response->close);
}

TEST(HttpResponseTest, ReadsChunkedBodies) {
  HttpResponseParser parser;
  const auto response = parser.Parse(kChunked).value();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
  EXPECT_EQ(response->body, "abc0123456789");
  EXPECT_EQ(response->size, kChunked.size());
}

TEST(HttpResponseTest, AnySplitOfTheBytesReadsTheSame) {
  for (const std::string_view whole : {kPlain, kChunked}) {
    const std::string expected = BodyOf(whole);
    for (std::size_t first = 0; first < whole.size(); ++first) {
      HttpResponseParser parser;
      ASSERT_FALSE(parser.Parse(whole.substr(0, first)).value()) << first;
      ASSERT_FALSE(parser.Parse(whole.substr(0, (first + whole.size()) / 2)).value() && first + 1 < whole.size());
      const auto response = parser.Parse(whole).value();
      ASSERT_TRUE(response) << first;
      EXPECT_EQ(response->body, expected);
    }
  }
}

TEST(HttpResponseTest, ByteForByteReadsTheSame) {
  HttpResponseParser parser;
  for (std::size_t size = 0; size < kChunked.size(); ++size)
    ASSERT_FALSE(parser.Parse(kChunked.substr(0, size)).value());
  EXPECT_EQ(parser.Parse(kChunked).value()->body, "abc0123456789");
}

TEST(HttpResponseTest, PipelinedResponsesAreTakenOneByOne) {
  const std::string both = std::string(kChunked) + std::string(kPlain) + "HTTP/1.1 2";
  std::string_view bytes = both;
  HttpResponseParser parser;
  const auto first = parser.Parse(bytes).value();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->status, 503);
  bytes.remove_prefix(first->size);
  const auto second = parser.Parse(bytes).value();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->body, "hello");
  bytes.remove_prefix(second->size);
  EXPECT_FALSE(parser.Parse(bytes).value());
}

TEST(HttpResponseTest, ConnectionCloseAndHttp10EndTheConnection) {
  const auto close = [](std::string_view bytes) { return HttpResponseParser().Parse(bytes).value()->close; };
  EXPECT_TRUE(close("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(close("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_FALSE(close("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"));
}

TEST(HttpResponseTest, InterimResponsesAreSkippedAndNoContentHasNoBody) {
  EXPECT_EQ(BodyOf("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "ok");
  EXPECT_EQ(BodyOf("HTTP/1.1 100 Continue\r\n\r\n"), "incomplete");
  EXPECT_EQ(BodyOf("HTTP/1.1 204 No Content\r\n\r\n"), "");
}

TEST(HttpResponseTest, InterimResponsesCountAsPartsOfTheHead) {
  std::string bytes;
  while (bytes.size() < 65'000) bytes += "HTTP/1.1 100 Continue\r\n\r\n";
  const std::string last = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  EXPECT_EQ(BodyOf(bytes + last), "ok");
  while (bytes.size() < 66'000) bytes += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_EQ(ErrorOf(bytes + last), "response: its head is over 64 kB");
}

TEST(HttpResponseTest, WhatIsNotHttpIsRefusedWithTheReason) {
  EXPECT_EQ(ErrorOf("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
            "response: \"SSH-2.0-OpenSSH_9.2\" is not a status line of HTTP/1.x");
  EXPECT_EQ(ErrorOf("HTTP/1.1 2x0 OK\r\n\r\n"), "response: \"HTTP/1.1 2x0 OK\" is not a status line of HTTP/1.x");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n"),
            "response: Content-Length \"5x\" is not a number");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\n\r\n"),
            "response: it has neither Content-Length nor Transfer-Encoding: chunked, so its end can't be told");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            "response: Transfer-Encoding \"gzip, chunked\" is not supported");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            "response: chunk size \"xyz\" is not a hexadecimal number");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n"),
            "response: a chunk does not end where its size says");
}

TEST(HttpResponseTest, SizesAreBounded) {
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"), "response: its body is over the limit");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff0\r\n"),
            "response: its body is over the limit");
  EXPECT_EQ(ErrorOf("HTTP/1.1 200 OK\r\n" + std::string(70000, 'x')), "response: its head is over 64 kB");
}

}  // namespace
}  // namespace punctual::load
