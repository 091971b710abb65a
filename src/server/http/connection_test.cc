// How connections behave, over real sockets.
#include "server/http/connection.h"

#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "server/http/server_under_test.h"

namespace punctual::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

using ConnectionTest = ServerTest;

TEST_F(ConnectionTest, StaysOpenForFurtherRequests) {
  Start();
  Client client = Connect();
  for (int i = 0; i < 3; ++i) {
    const Reply reply = client.Ask(Get("/healthz"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, R"({"status":"alive"})");
    EXPECT_THAT(reply.head, HasSubstr("Content-Type: application/json\r\n"));
  }
}

TEST_F(ConnectionTest, PipelinedAnswersComeInTheOrderOfTheRequests) {
  AddGatedModel();
  Start();
  Client client = Connect();
  gate_.Close();
  ASSERT_TRUE(client.Send(PredictGated(1) + Get("/healthz") + PredictGated(2) + Get("/v1/models") + Get("/nothing")));
  AwaitQueued(1);
  gate_.Open();
  EXPECT_THAT(client.Read().body, HasSubstr(R"("as_of":{"seq":1,)"));
  EXPECT_THAT(client.Read().body, HasSubstr("alive"));
  EXPECT_THAT(client.Read().body, HasSubstr(R"("as_of":{"seq":2,)"));
  EXPECT_THAT(client.Read().body, HasSubstr("models"));
  EXPECT_EQ(client.Read().status, 404);
}

TEST_F(ConnectionTest, MorePipelinedRequestsThanTheBoundAreAllAnswered) {
  AddGatedModel();
  options_.max_pipelined = 3;
  Start();
  Client client = Connect();
  std::string requests;
  for (std::uint64_t i = 1; i <= 40; ++i) requests += i % 10 == 0 ? PredictGated(i) : Get("/healthz") + "\r\n";
  ASSERT_TRUE(client.Send(requests));
  for (int i = 1; i <= 40; ++i) {
    const Reply reply = client.Read();
    ASSERT_EQ(reply.status, 200) << i;
    EXPECT_THAT(reply.body, HasSubstr(i % 10 == 0 ? R"("seq":)" + std::to_string(i) : "alive"));
  }
}

TEST_F(ConnectionTest, ARequestMayComeByteByByte) {
  Start();
  Client client = Connect();
  for (const char byte : Post("/v1/market/S", Book(1))) {
    ASSERT_TRUE(client.Send(std::string(1, byte)));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(client.Read().body, R"({"published":1})");
}

TEST_F(ConnectionTest, HoweverTheBytesAreCutTheAnswersAreTheSame) {
  options_.max_pipelined = 4;
  Start();
  std::mt19937 random(7);
  for (int round = 0; round < 30; ++round) {
    Client client = Connect();
    std::string requests;
    for (int i = 0; i < 10; ++i)
      requests += i % 3 == 0 ? Post("/v1/predict", R"({"user":"u2","market":)" + Book(2) + "}") : Get("/healthz");
    for (std::size_t at = 0; at < requests.size();) {
      const std::size_t size = 1 + random() % 300;
      ASSERT_TRUE(client.Send(requests.substr(at, size)));
      at += size;
      if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    for (int i = 0; i < 10; ++i) {
      const Reply reply = client.Read();
      ASSERT_EQ(reply.status, 200);
      EXPECT_THAT(reply.body, HasSubstr(i % 3 == 0 ? "probabilities" : "alive"));
    }
  }
}

TEST_F(ConnectionTest, SpoiltBytesHarmNobodyElse) {
  Start();
  std::mt19937 random(7);
  Client other = Connect();
  for (int round = 0; round < 300; ++round) {
    std::string request = Post("/v1/predict", R"({"user":"u2","market":)" + Book(2) + "}", "Transfer: x\r\n");
    for (unsigned i = 0; i < 1 + round % 5u; ++i) request[random() % request.size()] = static_cast<char>(random());
    Client client = Connect();
    client.Send(request);
    client.EndSending();
    client.Read();
    ASSERT_EQ(other.Ask(Get("/healthz")).status, 200);
  }
}

TEST_F(ConnectionTest, ClosesWhenAsked) {
  Start();
  Client client = Connect();
  const Reply reply = client.Ask(Get("/healthz", "Connection: close\r\n"));
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.head, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(ConnectionTest, Http10ClosesUnlessItAsksToStay) {
  Start();
  Client once = Connect();
  EXPECT_EQ(once.Ask("GET /healthz HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(once.IsClosed());
  Client stays = Connect();
  for (int i = 0; i < 2; ++i) {
    const Reply reply = stays.Ask("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.head, HasSubstr("Connection: keep-alive\r\n"));
  }
}

TEST_F(ConnectionTest, AHeadRequestGetsNoBody) {
  Start();
  Client client = Connect();
  ASSERT_TRUE(client.Send("HEAD /healthz HTTP/1.1\r\nHost: test\r\n\r\n" + Get("/healthz")));
  EXPECT_THAT(client.Read(false).head, HasSubstr("Content-Length: 18"));
  EXPECT_EQ(client.Read().body, R"({"status":"alive"})");
}

TEST_F(ConnectionTest, AHalfSentRequestGets408AndDelaysNobody) {
  options_.request_timeout = milliseconds(300);
  Start();
  Client half = Connect();
  ASSERT_TRUE(half.Send("POST /v1/predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{\"user\""));
  Client other = Connect();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.Ask(Get("/healthz")).status, 200);
  const Reply reply = half.Read();
  EXPECT_EQ(reply.status, 408);
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"DEADLINE_EXCEEDED")"));
  EXPECT_THAT(reply.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(half.IsClosed());
  EXPECT_EQ(other.Ask(Get("/healthz")).status, 200);
}

TEST_F(ConnectionTest, AHalfSentHeadGets408Too) {
  options_.request_timeout = milliseconds(300);
  Start();
  Client half = Connect();
  ASSERT_TRUE(half.Send("GET /healthz HT"));
  EXPECT_EQ(half.Read().status, 408);
  EXPECT_TRUE(half.IsClosed());
}

TEST_F(ConnectionTest, AnIdleConnectionIsClosed) {
  options_.idle_timeout = milliseconds(300);
  Start();
  Client client = Connect();
  EXPECT_EQ(client.Ask(Get("/healthz")).status, 200);
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(ConnectionTest, EmptyLinesDoNotKeepAnIdleConnectionOpen) {
  options_.idle_timeout = milliseconds(300);
  Start();
  Client client = Connect();
  EXPECT_EQ(client.Ask(Get("/healthz")).status, 200);
  bool open = true;
  for (int i = 0; i < 1000 && open; ++i) {
    open = client.Send("\r\n");
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_FALSE(open);
}

TEST_F(ConnectionTest, ARequestThatTricklesInGets408HoweverOftenBytesCome) {
  options_.request_timeout = milliseconds(300);
  options_.idle_timeout = milliseconds(10'000);
  Start();
  for (const std::string& begin : {std::string("GET /healthz HTTP/1.1\r\nA: "),
                                   std::string("POST /v1/predict HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"),
                                   std::string("POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")}) {
    Client client = Connect();
    ASSERT_TRUE(client.Send(begin));
    const bool chunked = begin.find("chunked") != std::string::npos;
    bool open = true;
    for (int i = 0; i < 1000 && open; ++i) {
      open = client.Send(chunked ? "1\r\nx\r\n" : "x");
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_FALSE(open) << begin;
    EXPECT_EQ(client.Read().status, 408) << begin;
  }
}

TEST_F(ConnectionTest, APeerThatTakesNoAnswersIsClosed) {
  options_.write_timeout = milliseconds(300);
  Start();
  Client lazy = Connect();
  lazy.ReceiveLittle();
  // Answers that it does not read fill the sockets; then the server reads no more of its requests, then gives up on it.
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += Get("/metrics");
  bool closed = false;
  std::thread sender([&] {
    for (int i = 0; i < 10'000 && !closed; ++i) closed = !lazy.Send(requests);
  });
  sender.join();
  EXPECT_TRUE(closed);
  EXPECT_EQ(Connect().Ask(Get("/healthz")).status, 200);
}

TEST_F(ConnectionTest, APeerThatHasEndedSendingGetsItsAnswers) {
  AddGatedModel();
  Start();
  Client client = Connect();
  ASSERT_TRUE(client.Send(PredictGated(1) + PredictGated(2) + "GET /hea"));
  client.EndSending();
  EXPECT_EQ(client.Read().status, 200);
  EXPECT_EQ(client.Read().status, 200);
  EXPECT_TRUE(client.IsClosed());
}

TEST_F(ConnectionTest, APeerThatIsGoneBeforeItsAnswerHarmsNobody) {
  AddGatedModel();
  Start();
  for (std::uint64_t i = 0; i < 20; ++i) Connect().Send(PredictGated(100 + i));
  EXPECT_EQ(Connect().Ask(Get("/healthz")).status, 200);
}

TEST_F(ConnectionTest, WhatAPeerAskedThatIsGoneIsNotComputed) {
  AddGatedModel();
  Start();
  Client waits = Connect();
  gate_.Close();
  ASSERT_TRUE(waits.Send(PredictGated(1)));  // holds the only worker
  gate_.AwaitInference();
  Client leaves = Connect();
  ASSERT_TRUE(leaves.Send(PredictGated(2)));
  AwaitQueued(1);
  leaves.Abort();
  const auto metrics_say = [this](const std::string& line) {
    return engine_->metrics().PrometheusText().find(line + "\n") != std::string::npos;
  };
  while (!metrics_say("punctual_http_connections 1")) std::this_thread::sleep_for(milliseconds(1));
  gate_.Open();
  EXPECT_EQ(waits.Read().status, 200);
  EXPECT_EQ(waits.Ask(PredictGated(3)).status, 200);  // came after the one that was not computed
  EXPECT_TRUE(metrics_say("punctual_inference_seconds_count{model=\"gated\"} 2"));
}

TEST_F(ConnectionTest, ABodyOverTheLimitGets413) {
  options_.max_body_bytes = 1024;
  Start();
  Client announced = Connect();
  const Reply reply = announced.Ask("POST /v1/predict HTTP/1.1\r\nContent-Length: 1025\r\n\r\n");
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.body, R"({"error":{"code":"OUT_OF_RANGE","message":"body: has more than max_body_bytes = 1024"}})");
  EXPECT_TRUE(announced.IsClosed());
  Client sent = Connect();
  EXPECT_EQ(sent.Ask(Post("/v1/predict", std::string(1 << 20, ' '))).status, 413) << "and it is not lost to a reset";
  Client chunked = Connect();
  EXPECT_EQ(chunked.Ask("POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n").status, 413);
  Client at_the_limit = Connect();
  EXPECT_EQ(at_the_limit.Ask(Post("/v1/predict", std::string(1024, ' '))).status, 400);
}

TEST_F(ConnectionTest, AHeadOverTheLimitGets431) {
  options_.max_header_bytes = 1024;
  Start();
  EXPECT_EQ(Connect().Ask(Get("/healthz", "X: " + std::string(1024, 'x') + "\r\n")).status, 431);
  EXPECT_EQ(Connect().Ask("GET /" + std::string(2000, 'x')).status, 431);
  Client in_small_fields = Connect();
  ASSERT_TRUE(in_small_fields.Send("GET /healthz HTTP/1.1\r\n"));
  for (int i = 0; i < 20; ++i) {
    if (!in_small_fields.Send("X: " + std::string(100, 'x') + "\r\n")) break;
    std::this_thread::sleep_for(milliseconds(2));
  }
  EXPECT_EQ(in_small_fields.Read().status, 431);
}

TEST_F(ConnectionTest, AnEndlessChunkHeadGets431) {
  Start();
  Client client = Connect();
  const std::string begin = "POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x=";
  EXPECT_THAT(client.Ask(begin + std::string(200 << 10, 'x')).status, ::testing::AnyOf(400, 431));
}

TEST_F(ConnectionTest, WhatIsNotHttpGets400) {
  Start();
  for (const char* bytes :
       {"garbage\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "GET /\r\n\r\n", "\x16\x03\x01\x02 tls\r\n\r\n",
        "GET / HTTP/1.1\r\nbroken header\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    Client client = Connect();
    const Reply reply = client.Ask(bytes);
    EXPECT_EQ(reply.status, 400) << bytes;
    EXPECT_THAT(reply.body, HasSubstr("request: not HTTP/1.1"));
    EXPECT_TRUE(client.IsClosed());
  }
}

TEST_F(ConnectionTest, AChunkedBodyIsPutTogether) {
  Start();
  Client client = Connect();
  const std::string book = Book(1);
  const std::string request = "POST /v1/market/S HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" +
                              book.substr(0, 5) + "\r\n" + "1;name=value\r\n" + book.substr(5, 1) + "\r\n";
  ASSERT_TRUE(client.Send(request));
  std::this_thread::sleep_for(milliseconds(5));
  char size[16];
  std::snprintf(size, sizeof size, "%zx", book.size() - 6);
  ASSERT_TRUE(client.Send(std::string(size) + "\r\n" + book.substr(6) + "\r\n0\r\n\r\n" + Get("/healthz")));
  EXPECT_EQ(client.Read().body, R"({"published":1})");
  EXPECT_EQ(client.Read().status, 200);
}

TEST_F(ConnectionTest, ExpectContinueIsToldToGoOn) {
  Start();
  Client client = Connect();
  const std::string request = Post("/v1/market/S", Book(1), "Expect: 100-continue\r\n");
  const std::size_t body_at = request.size() - Book(1).size();
  ASSERT_TRUE(client.Send(Get("/healthz") + request.substr(0, body_at)));
  EXPECT_THAT(client.Read().body, HasSubstr("alive"));
  EXPECT_EQ(client.Read().status, 100);
  ASSERT_TRUE(client.Send(request.substr(body_at)));
  EXPECT_EQ(client.Read().body, R"({"published":1})");
  EXPECT_EQ(client.Ask(request).status, 200 + 209) << "sent whole: no 100, but the same sequence is a conflict";
}

TEST_F(ConnectionTest, AnsweredAsideALargeBodyIsStillInOrder) {
  Start();
  Client client = Connect();
  std::string books;
  std::uint64_t last = 0;
  while (books.size() < (200u << 10)) books += Book(++last) + "\n";
  ASSERT_TRUE(client.Send(Post("/v1/market/S", books) + Post("/v1/market/S", Book(last + 1)) +
                          Post("/v1/predict", R"({"user":"u2","symbol":"S"})" + std::string(100 << 10, ' '))));
  EXPECT_EQ(client.Read().body, R"({"published":)" + std::to_string(last) + "}");
  EXPECT_EQ(client.Read().body, R"({"published":1})");
  EXPECT_THAT(client.Read().body, HasSubstr(R"("as_of":{"seq":)" + std::to_string(last + 1)));
}

}  // namespace
}  // namespace punctual::http
